// The store that docs/stores.md shows, under the suite that every store has to pass.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import { afterAll, beforeAll } from 'vitest'
import type { Store } from '@serotine/core/store'
import { storeContract } from '../contract/store.js'
import { blocksOf } from './pages.js'
import { Workshop } from './programs.js'

const shown = blocksOf('docs/stores.md').find(({ code }) => code.includes('implements Store'))!

let workshop: Workshop
let MapStore: new () => Store
beforeAll(async () => {
  workshop = new Workshop()
  // The class, without the index that is then opened over it.
  const code = `${shown.code.slice(0, shown.code.indexOf('const index = '))}\nexport { MapStore }\n`
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
  })
  const file = join(workshop.folder, 'map-store.mjs')
  writeFileSync(file, outputText)
  ;({ MapStore } = (await import(pathToFileURL(file).href)) as { MapStore: typeof MapStore })
})
afterAll(() => workshop.remove())

storeContract('the store of docs/stores.md', {
  open: async () => new MapStore(),
  codecs: ['int8'],
  opensReadonly: false,
})
