// Run in packages/runtime-<os>-<cpu>: takes that platform's files out of onnxruntime-node. The binding looks for its
// library in ../bin, so the two folders keep their places. Left out are what other execution providers load on demand
// (DirectML, WebGPU shader compilers) and a second copy of the macOS library. onnxruntime-common comes along: it holds
// the registry of backends, and where an application has onnxruntime-node too, both registering in one is an error.
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const { os, cpu, version, name } = JSON.parse(readFileSync('package.json', 'utf8'))
const root = fileURLToPath(new URL('..', import.meta.url))
const source = dirname(createRequire(join(root, 'package.json')).resolve('onnxruntime-node/package.json'))
const common = dirname(createRequire(join(source, 'package.json')).resolve('onnxruntime-common'))
const { version: found } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'))
if (found !== version)
  throw new Error(`${name} is ${version}, the installed onnxruntime-node ${found}. Make them the same.`)

const CODE = /\.(js|d\.ts)$/
const NEEDED = /^(onnxruntime_binding\.node|libonnxruntime\.so\.1|libonnxruntime\.1\.dylib|onnxruntime\.dll)$/
const binaries = join('bin', 'napi-v6', os[0], cpu[0])
rmSync('dist', { recursive: true, force: true })
for (const [from, to, wanted] of [
  [join(source, 'dist'), 'lib', CODE],
  [common, 'common', CODE],
  [join(source, binaries), binaries, NEEDED],
]) {
  mkdirSync(join('dist', to), { recursive: true })
  for (const file of readdirSync(from).filter((entry) => wanted.test(entry))) {
    cpSync(join(from, file), join('dist', to, file))
  }
}
const [addon, library] = ['.node', ''].map((end) =>
  readdirSync(join('dist', binaries)).find((file) => file.endsWith('.node') === (end === '.node')),
)
for (const path of ['lib', 'common'].flatMap((folder) =>
  readdirSync(join('dist', folder)).map((file) => join('dist', folder, file)),
)) {
  const code = readFileSync(path, 'utf8')
    .replace(/(['"])onnxruntime-common\1/g, "'../common/index.js'")
    .replace(/require\(`\.\.\/bin\/napi-v6\/[^`]*`\)/, "require('./addon.js')")
    // The source maps name files that no package has.
    .replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '\n')
  writeFileSync(path, code)
}
const below = `../bin/napi-v6/${os[0]}/${cpu[0]}`
writeFileSync(
  join('dist', 'lib', 'addon.js'),
  `"use strict";
// Paths from __dirname are what file tracers take along; the library is found by the addon itself. A bundler that takes in
// this file moves __dirname elsewhere: then the installed package is asked. None of them follows createRequire.
const { existsSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const addon = join(__dirname, '${below}/${addon}');
const library = join(__dirname, '${below}/${library}');
const installed = () => {
    const found = createRequire(join(process.cwd(), 'index.js')).resolve('${name}/package.json');
    return join(dirname(found), 'dist/lib', '${below}/${addon}');
};
const file = existsSync(addon) && existsSync(library) ? addon : installed();
module.exports = createRequire(file)(file);
`,
)
