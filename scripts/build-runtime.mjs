// Run in packages/runtime-<os>-<cpu>: takes that platform's files out of onnxruntime-node. The binding looks for its
// library in ../bin, so the two folders keep their places. Left out are what other execution providers load on demand
// (DirectML, WebGPU shader compilers) and a second copy of the macOS library.
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const { os, cpu, version, name } = JSON.parse(readFileSync('package.json', 'utf8'))
const root = fileURLToPath(new URL('..', import.meta.url))
const source = dirname(createRequire(join(root, 'package.json')).resolve('onnxruntime-node/package.json'))
const { version: found } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'))
if (found !== version)
  throw new Error(`${name} is ${version}, the installed onnxruntime-node ${found}. Make them the same.`)

const NEEDED = /^(onnxruntime_binding\.node|libonnxruntime\.so\.1|libonnxruntime\.1\.dylib|onnxruntime\.dll)$/
const binaries = join('bin', 'napi-v6', os[0], cpu[0])
rmSync('dist', { recursive: true, force: true })
for (const [from, to, wanted] of [
  ['dist', 'lib', /\.(js|d\.ts)$/],
  [binaries, binaries, NEEDED],
]) {
  mkdirSync(join('dist', to), { recursive: true })
  for (const file of readdirSync(join(source, from)).filter((entry) => wanted.test(entry))) {
    cpSync(join(source, from, file), join('dist', to, file))
  }
}
// The source maps name files that no package has.
for (const file of readdirSync('dist/lib')) {
  const path = join('dist/lib', file)
  writeFileSync(path, readFileSync(path, 'utf8').replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '\n'))
}
