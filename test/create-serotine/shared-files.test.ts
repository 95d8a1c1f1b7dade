import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const examples = fileURLToPath(new URL('../../examples/', import.meta.url))
const copies = (name: string): string[] =>
  readdirSync(examples).flatMap((folder) =>
    readdirSync(join(examples, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => !path.includes('node_modules') && path.split(/[\\/]/).at(-1) === name)
      .map((path) => join(examples, folder, path)),
  )

// Each template is copied alone, so that each has its own; what is mended in one is to be mended in all.
it.each(['extract.ts', 'openai-server.ts'])('%s is the same in every template', (name) => {
  const texts = copies(name).map((path) => readFileSync(path, 'utf8'))
  expect(texts.length).toBeGreaterThan(1)
  expect(new Set(texts).size).toBe(1)
})
