import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const page = readFileSync(`${root}/docs/evaluation.md`, 'utf8')
const programs = Array.from(page.matchAll(/```ts\n([\s\S]*?)```/g), ([, program]) => program!)

describe('the programs of docs/evaluation.md', () => {
  it('are there', () => expect(programs.length).toBeGreaterThan(1))

  it.each(programs)('run: program %#', (program) => {
    // A collection that is there instead of the reader's, and shorter documents than the page's: these are slow enough.
    const here = program.replace('./my-collection', './test/fixtures/beir-mini').replace('length: 4096', 'length: 256')
    const printed = execFileSync(
      process.execPath,
      ['--input-type=module', '-e', `${here}\nconsole.log(JSON.stringify(stages.map(({ metrics }) => metrics)))`],
      { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const metrics = JSON.parse(printed) as Record<string, number>[]
    expect(metrics.length).toBeGreaterThan(0)
    for (const values of metrics) expect(Object.values(values)[0]).toBeGreaterThan(0.5)
  })
})
