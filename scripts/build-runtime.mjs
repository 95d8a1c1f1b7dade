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
const library = readdirSync(join('dist', binaries)).find((file) => !file.endsWith('.node'))
const fromLib = (file) => `../${binaries.replaceAll('\\', '/')}/${file}`
for (const path of ['lib', 'common'].flatMap((folder) =>
  readdirSync(join('dist', folder)).map((file) => join('dist', folder, file)),
)) {
  const code = readFileSync(path, 'utf8')
    .replace(/(['"])onnxruntime-common\1/g, "'../common/index.js'")
    // One platform, so one path: file tracers follow it where they could not follow a template.
    .replace(/`\.\.\/bin\/napi-v6\/[^`]*`/, `'${fromLib('onnxruntime_binding.node')}'`)
    // The source maps name files that no package has.
    .replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '\n')
  // The binding loads the library by itself; tracers see only what a path is made of.
  const traced = /lib.index\.js$/.test(path)
    ? `exports.libraryPath = require('node:path').join(__dirname, '${fromLib(library)}');\n`
    : ''
  writeFileSync(path, code + traced)
}
