// PLAID beside: an index of a library in Python, built and asked in a process of its own.
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { bytesOnDisk, TOP } from './measure.mjs'

/**
 * @param python an interpreter that has fast-plaid
 * @param embeddings folder of token vectors
 * @param folder of the index, which is made
 * @returns `{ run, top: [[position]], cpuMs }`
 */
export async function plaid(python, embeddings, folder, queries) {
  const script = fileURLToPath(new URL('plaid.py', import.meta.url))
  const child = spawn(python, [script, embeddings, folder, String(queries), String(TOP)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise((resolve, reject) => child.once('error', reject).once('exit', resolve))
  const [code, output] = await Promise.all([exited, text(child.stdout)])
  if (code !== 0) throw new Error(`${python} ${script} ended with ${code}.`)
  const { top, cpuMs, buildSeconds, buildCpuSeconds, version, bits } = JSON.parse(output)
  const run = {
    stage: 'plaid',
    name: `PLAID (fast-plaid ${version}, ${bits} bits), built at once`,
    order: 'topical',
    build: { seconds: buildSeconds, cpuSeconds: buildCpuSeconds },
    bytes: { onDisk: await bytesOnDisk(folder) },
  }
  return { run, top, cpuMs }
}
