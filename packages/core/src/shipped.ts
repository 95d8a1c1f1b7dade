import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** What helps wherever a bundler has left a file of these packages behind. */
export const OUT_OF_THE_BUNDLE =
  "leave Serotine's packages out of the bundle (Next.js: serverExternalPackages: ['@serotine/core', " +
  "'@serotine/model-micro'] in next.config; Vite: ssr.external; webpack, Rollup: externals; esbuild: --packages=external)"

/**
 * The URL of this module. In a CommonJS bundle of the ES module `import.meta` is empty, and Node gives the file's name;
 * undefined where there is neither.
 */
export function hereUrl(): string | undefined {
  const url = import.meta.url as string | undefined
  return url ?? (typeof __filename === 'string' ? pathToFileURL(__filename).href : undefined)
}

/**
 * Finds a file that ships with @serotine/core: next to this module, where the bundler put it, or in the installed package.
 *
 * @param beside functions that return `new URL('./<name>', import.meta.url)`, and the same with `hereUrl()`. The caller writes
 *   them out: tracers and bundlers look for just the first expression, and take a whole folder for a name they cannot read
 * @param specifier what the package exports it as
 * @returns undefined when it is nowhere
 */
export function shippedFile(beside: readonly (() => URL)[], specifier: string): string | undefined {
  for (const place of [...beside.map((url) => () => fileURLToPath(url())), () => installed(specifier)]) {
    try {
      const path = place()
      if (existsSync(path)) return path
    } catch {
      // No file URL, or not installed: on to the next place.
    }
  }
  return undefined
}

/**
 * Where the user's program, or the folder it was started in, finds a module. With pnpm, Yarn's PnP or `npx` that may be where
 * this package does not. @throws when neither does
 */
export function installedByUser(specifier: string): string {
  try {
    return createRequire(pathToFileURL(process.argv[1] ?? '')).resolve(specifier)
  } catch {
    return createRequire(pathToFileURL(`${process.cwd()}/`)).resolve(specifier)
  }
}

/** Where the running program finds a module by its name. @throws when it does not */
export function installed(specifier: string): string {
  return createRequire(hereUrl() ?? pathToFileURL(`${process.cwd()}/`)).resolve(specifier)
}
