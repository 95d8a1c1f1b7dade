// Each example is a folder to copy: it needs nothing outside itself but packages that npm can find.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { importsOf, packageOf } from '../install/imports.js'
import { copyExample, root } from './copy.js'

const examples = readdirSync(join(root, 'examples'))
const readJson = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
const manifests = readdirSync(join(root, 'packages')).map((name) =>
  readJson(join(root, 'packages', name, 'package.json')),
)
const versions = new Map<string, string>(manifests.map(({ name, version }) => [name, version]))
const peers = new Set(manifests.flatMap(({ peerDependencies }) => Object.keys(peerDependencies ?? {})))

/** Peers of packages that are not ours. */
const FOREIGN_PEERS = new Set(['@llamaindex/env', 'react-dom', 'zod'])

let copies: string
beforeAll(() => {
  copies = mkdtempSync(join(tmpdir(), 'serotine-copied-'))
  for (const name of examples) copyExample(name, join(copies, name))
})
afterAll(() => rmSync(copies, { recursive: true, force: true }))

const filesOf = (name: string) =>
  readdirSync(join(copies, name), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

describe.each(examples)('examples/%s', (name) => {
  it('imports only what lies in it or is declared', () => {
    const { dependencies, devDependencies = {} } = readJson(join(copies, name, 'package.json'))
    const wrong: string[] = []
    const used = new Set<string>()
    const scripts = filesOf(name).filter((path) => /\.[cm]?[jt]sx?$/.test(path))
    expect(scripts).not.toEqual([])
    for (const path of scripts) {
      const source = readFileSync(path, 'utf8')
      const urls = [...source.matchAll(/new URL\(\s*['"`]([^'"`]+)['"`],\s*import\.meta\.url/g)].map(([, url]) => url!)
      for (const specifier of [...importsOf(source), ...urls.map((url) => (url.startsWith('.') ? url : `./${url}`))]) {
        const packageName = packageOf(specifier)
        if (packageName !== undefined) used.add(packageName)
        else if (specifier.startsWith('.')) {
          const target = resolve(dirname(path), specifier)
          const outside = relative(join(copies, name), target).startsWith('..')
          // `.index` is made by the demo.
          // Bundlers look for TypeScript behind a name without an ending.
          const found = ['', '.ts', '.tsx'].some((ending) => existsSync(target + ending))
          const missing = !found && !target.endsWith('.index')
          if (outside || missing) wrong.push(`${relative(copies, path)} needs ${specifier}`)
        }
      }
    }
    expect(wrong).toEqual([])
    expect([...used].filter((packageName) => !(packageName in { ...dependencies, ...devDependencies }))).toEqual([])
    // What it declares and does not import is a peer that another package asks for, or a program that its scripts run, or what
    // LangChain loads by the name of a model.
    const idle = Object.keys(dependencies).filter((packageName) => !used.has(packageName))
    const { scripts: commands } = readJson(join(copies, name, 'package.json'))
    const run = Object.values<string>(commands).flatMap((script) => script.split(' '))
    const wanted = (packageName: string) =>
      peers.has(packageName) ||
      run.includes(packageName) ||
      FOREIGN_PEERS.has(packageName) ||
      packageName === '@langchain/openai'
    expect(idle.filter((packageName) => !wanted(packageName))).toEqual([])
  })

  it('has a manifest that npm can install, for the release that lies here', () => {
    const manifest = readJson(join(copies, name, 'package.json'))
    expect(manifest).toMatchObject({ private: true, type: 'module' })
    // No older Node than ours; frameworks may want a newer one.
    expect(manifest.engines.node).toMatch(/^>=(20\.19|22(\.\d+)?)$/)
    const ranges = Object.entries<string>({ ...manifest.dependencies, ...manifest.devDependencies })
    expect(ranges.filter(([, range]) => !/^[\^~]?\d+\.\d+\.\d+$/.test(range))).toEqual([])
    const ours = ranges.filter(([dependency]) => versions.has(dependency))
    expect(ours).not.toEqual([])
    expect(ours.filter(([dependency, range]) => range !== `^${versions.get(dependency)}`)).toEqual([])
    const [, script] = /^(?:node|tsx) (\S+)$|^next start/.exec(manifest.scripts.start)!
    if (script !== undefined) expect(existsSync(join(copies, name, script))).toBe(true)
  })

  it('gets the packages of this workspace inside it', () => {
    const { dependencies } = readJson(join(root, 'examples', name, 'package.json'))
    for (const dependency of Object.keys(dependencies).filter((other) => versions.has(other))) {
      const linked = join(root, 'examples', name, 'node_modules', dependency)
      expect(existsSync(join(linked, 'src')), dependency).toBe(true)
    }
  })

  it('has a README without links that leave it', () => {
    const links = [...readFileSync(join(copies, name, 'README.md'), 'utf8').matchAll(/\]\(([^)]+)\)/g)].map(
      ([, link]) => link!,
    )
    const local = links.filter((link) => !link.startsWith('https://'))
    expect(local.filter((link) => link.startsWith('..') || !existsSync(join(copies, name, link)))).toEqual([])
    const here = links.filter((link) => link.startsWith('https://github.com/serotine-search/serotine/blob/main/'))
    for (const link of here)
      expect(existsSync(join(root, link.split('/blob/main/')[1]!.replace(/#.*/, ''))), link).toBe(true)
  })
})
