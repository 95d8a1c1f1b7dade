import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { FdeScan } from '../../../../../packages/core/src/embedded/stages/fde/fde-scan.js'
import { HnswGraph } from '../../../../../packages/core/src/embedded/stages/hnsw/hnsw-graph.js'
import { loadHnswlib } from '../../../../../packages/core/src/embedded/stages/hnsw/hnswlib.js'
import { resolveFdeConfig } from '../../../../../packages/core/src/fde/config.js'
import { FdeEncoder } from '../../../../../packages/core/src/fde/encode.js'
import { bitsetOf, embeddingsOf, numbers, queryOf } from '../../../../support/staged-index.js'

/** Absent where there was no compiler when it was installed. */
const hnswlib = (await loadHnswlib().catch(() => undefined))!

const encoder = new FdeEncoder(resolveFdeConfig({ dim: 16, repetitions: 4, simHashBits: 2, finalDim: 64 }))
const scanOf = (count: number): FdeScan => {
  const scan = new FdeScan(encoder, new Uint8Array(0), {})
  if (count > 0) scan.append(scan.encode(numbers(0, count).map(embeddingsOf)))
  return scan
}

describe.skipIf(!hnswlib)('an HNSW graph', () => {
  const folder = mkdtempSync(join(tmpdir(), 'serotine-graph-'))
  const file = join(folder, 'graph')
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('saved with more points than there are rows is not used: its points would have no document', async () => {
    const graph = await HnswGraph.create(hnswlib, scanOf(20))
    await graph.update()
    const saved = await graph.save(file)
    expect(saved.rows).toBe(20)
    const { vectors } = graph
    expect(await HnswGraph.load(hnswlib, scanOf(19), vectors, file, saved)).toBeUndefined()
    expect((await HnswGraph.load(hnswlib, scanOf(20), vectors, file, saved))?.rows).toBe(20)
    expect((await HnswGraph.load(hnswlib, scanOf(21), vectors, file, saved))?.rows).toBe(20)
  })

  test('is read only where the file is what was saved: hnswlib ends the process on other bytes', async () => {
    const scan = scanOf(50)
    const graph = await HnswGraph.create(hnswlib, scan)
    await graph.update()
    const saved = await graph.save(file)
    const load = (path: string, as: typeof saved) => HnswGraph.load(hnswlib, scan, graph.vectors, path, as)
    await expect(load(file, { ...saved, rows: 49 })).rejects.toThrow(/holds 50 points.*says 49/)
    expect(await load(file, { ...saved, crc: saved.crc ^ 1 })).toBeUndefined()
    expect(await load(`${file}-gone`, saved)).toBeUndefined()
    truncateSync(file, saved.bytes - 1)
    expect(await load(file, saved)).toBeUndefined()
    await expect(load(join(file, 'below'), saved)).rejects.toThrow(/ENOTDIR|ENOENT/)
  })

  test('that is replaced after it was checked is not there, and any other error of hnswlib is one', async () => {
    const scan = scanOf(50)
    const graph = await HnswGraph.create(hnswlib, scan)
    await graph.update()
    const saved = await graph.save(file)
    class Late extends hnswlib.HierarchicalNSW {
      override readIndex(path: string): Promise<boolean> {
        rmSync(path)
        return super.readIndex(path)
      }
    }
    class Failing extends hnswlib.HierarchicalNSW {
      override async readIndex(): Promise<boolean> {
        throw new Error('no memory')
      }
    }
    const load = (HierarchicalNSW: typeof hnswlib.HierarchicalNSW) =>
      HnswGraph.load({ HierarchicalNSW }, scan, graph.vectors, file, saved)
    await expect(load(Failing)).rejects.toThrow('no memory')
    expect(await load(Late)).toBeUndefined()
  })

  test('that cannot be written leaves nothing of it', async () => {
    class Failing extends hnswlib.HierarchicalNSW {
      override async writeIndex(path: string): Promise<boolean> {
        writeFileSync(path, 'half of it')
        throw new Error('no room')
      }
    }
    const graph = await HnswGraph.create({ HierarchicalNSW: Failing }, scanOf(10))
    await graph.update()
    const before = readdirSync(folder)
    await expect(graph.save(join(folder, 'other'))).rejects.toThrow('no room')
    expect(readdirSync(folder)).toEqual(before)
  })

  test('grows beyond the room it was made with', async () => {
    const scan = scanOf(1000)
    const graph = await HnswGraph.create(hnswlib, scan)
    await graph.update()
    scan.append(scan.encode(numbers(1000, 1100).map(embeddingsOf)))
    expect([graph.rows, graph.isOver(scan), graph.isOver(scanOf(1))]).toEqual([1000, true, false])
    await Promise.all([graph.update(), graph.save(file), graph.update()])
    expect(graph.rows).toBe(1100)
    const found = graph.search(queryOf(5), 1100, bitsetOf(numbers(0, 1100)))
    expect(found.ordinals.length).toBeGreaterThan(1000)
  })

  test('finds rows that are not in it yet as well as those that are', async () => {
    const scan = scanOf(200)
    const graph = await HnswGraph.create(hnswlib, scan)
    for (const built of [0, 200]) {
      expect(graph.rows).toBe(built)
      for (const allowed of [numbers(0, scan.rows), numbers(0, scan.rows).filter((i) => i % 3 === 0)]) {
        const expected = scan.search(queryOf(7), 20, bitsetOf(allowed))
        const found = graph.search(queryOf(7), 20, bitsetOf(allowed))
        expect(found.ordinals).toHaveLength(20)
        expect([...found.ordinals].filter((ordinal) => expected.ordinals.includes(ordinal)).length).toBeGreaterThan(17)
        for (const [i, score] of found.scores.entries()) expect(score).toBeCloseTo(expected.scores[i]!, 1)
        expect([...found.ordinals].every((ordinal) => allowed.includes(ordinal))).toBe(true)
      }
      if (built === 0) await graph.update()
      scan.append(scan.encode(numbers(scan.rows, scan.rows + 100).map(embeddingsOf)))
    }
  })

  test('looks for as many whatever is wanted, and ranks them by the whole FDEs', async () => {
    const looked: number[] = []
    class Counting extends hnswlib.HierarchicalNSW {
      override searchKnn(...args: Parameters<InstanceType<typeof hnswlib.HierarchicalNSW>['searchKnn']>) {
        looked.push(args[1])
        return super.searchKnn(...args)
      }
    }
    const scan = scanOf(900)
    const graph = await HnswGraph.create({ HierarchicalNSW: Counting }, scan)
    await graph.update()
    const allowed = bitsetOf(numbers(0, 900))
    const [few, many] = [10, 200].map((count) => graph.search(queryOf(3), count, allowed))
    expect([few!.ordinals.length, many!.ordinals.length]).toEqual([10, 200])
    expect(many!.ordinals.slice(0, 10)).toEqual(few!.ordinals)
    graph.search(queryOf(3), 400, allowed)
    // 17 × √900, twice 400.
    expect(looked).toEqual([510, 510, 800])
    expect(many!.scores).toEqual(scan.search(queryOf(3), 200, bitsetOf([...many!.ordinals])).scores)
  })

  test('that is stopped keeps what was built', async () => {
    const graph = await HnswGraph.create(hnswlib, scanOf(30))
    await expect(graph.update(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
    expect(graph.rows).toBe(0)
    await graph.update()
    expect(graph.rows).toBe(30)
  })
})

describe('hnswlib-node', () => {
  test('may be a module, a function or a promise; anything that fails is one error', async () => {
    const module = { HierarchicalNSW: Array } as never
    for (const given of [module, () => module, async () => module]) expect(await loadHnswlib(given)).toBe(module)
    for (const fails of [
      () => Promise.reject(new Error('late')),
      () => {
        throw new Error('at once')
      },
    ]) {
      await expect(loadHnswlib(fails)).rejects.toMatchObject({
        code: 'HNSWLIB_MISSING',
        message: expect.stringMatching(/npm install hnswlib-node.*firstStage: 'fde'/),
      })
    }
  })
})
