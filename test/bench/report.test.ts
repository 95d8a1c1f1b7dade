import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const script = fileURLToPath(new URL('../../bench/report.mjs', import.meta.url))
const run = (...args: string[]) => spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })

it('the committed HTML report is made of the committed results', () => {
  const { status, stdout, stderr } = run('--check')
  expect({ status, output: stdout + stderr }).toEqual({ status: 0, output: '' })
})

it('makes a page of the results given, and refuses those of another kind', () => {
  const folder = mkdtempSync(join(tmpdir(), 'serotine-report-'))
  try {
    const [out, other] = [join(folder, 'page.html'), join(folder, 'other.json')]
    const results = fileURLToPath(new URL('../../bench/results/scifact.json', import.meta.url))
    expect(run(results, '--out', out, '--title', 'One & only')).toMatchObject({ status: 0, stderr: '' })
    expect(readFileSync(out, 'utf8')).toMatch(/<h1>One &#38; only<\/h1>[\s\S]*<h2>scifact<\/h2>/)
    writeFileSync(other, '{"kind":"encode"}')
    expect(run(other, '--out', out)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('is of kind "encode"'),
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
})
