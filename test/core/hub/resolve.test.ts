import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { resolveCheckpoint } from '../../../packages/core/src/hub/resolve.js'
import { defaultCacheDir } from '../../../packages/core/src/hub/cache.js'
import type { Warning } from '../../../packages/core/src/errors.js'
import type { Progress } from '../../../packages/core/src/encoder.js'
import { startHub } from '../../support/hub-server.js'
import type { HubServer } from '../../support/hub-server.js'

const goldens = fileURLToPath(new URL('../../golden/pylate', import.meta.url))
const packages = fileURLToPath(new URL('../../../packages', import.meta.url))
const golden = join(goldens, 'modernbert-tiny/model')
const ID = 'org/tiny-colbert'
const LARGE = 'model.safetensors'

let hub: HubServer
let cacheDir: string
const resolve = (options: object = {}) => resolveCheckpoint(ID, { endpoint: hub.endpoint, cacheDir, ...options })
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable('it should have failed'),
    (error) => error,
  )
const blobs = () => readdirSync(join(cacheDir, 'models--org--tiny-colbert/blobs')).sort()
const filesBelow = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => !lstatSync(join(folder, path)).isDirectory())
    .sort()

beforeEach(async () => {
  cacheDir = mkdtempSync(join(tmpdir(), 'serotine-cache-'))
  hub = await startHub(ID, golden, {
    'README.md': '# tiny',
    'pytorch_model.bin': 'old weights',
    'onnx/model.onnx': 'a graph',
    '.gitattributes': '*',
    'optimizer.pt': 'no',
  })
  for (const name of ['HF_TOKEN', 'HF_HUB_OFFLINE', 'HF_ENDPOINT']) vi.stubEnv(name, undefined)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await hub.close()
  rmSync(cacheDir, { recursive: true, force: true })
})

describe('without the Hub', () => {
  const forbidden = vi.fn(() => Promise.reject(new Error('the network was touched')))

  it('finds the embedded model', async () => {
    const { folder, name } = await resolveCheckpoint(undefined, { fetch: forbidden })
    expect(name).toBe('@serotine/model-micro')
    expect(existsSync(join(folder, 'model.safetensors'))).toBe(true)
    expect(forbidden).not.toHaveBeenCalled()
  })

  it.each([
    ['micro', '@serotine/model-micro'],
    ['@serotine/model-micro', '@serotine/model-micro'],
    ['small', '@serotine/model-small'],
    ['@serotine/model-small', '@serotine/model-small'],
  ])('finds the model named %s, whatever folder has that name', async (given, expected) => {
    const before = process.cwd()
    mkdirSync(join(cacheDir, given), { recursive: true })
    process.chdir(cacheDir)
    try {
      const { folder, name } = await resolveCheckpoint(given, { fetch: forbidden })
      expect(name).toBe(expected)
      expect(folder).toBe(join(packages, expected.slice('@serotine/'.length), 'model'))
      const own = await resolveCheckpoint(`./${given}`, { fetch: forbidden })
      expect(realpathSync(own.folder)).toBe(realpathSync(join(cacheDir, given)))
    } finally {
      process.chdir(before)
    }
    expect(forbidden).not.toHaveBeenCalled()
  })

  it('takes a folder as it is', async () => {
    expect(await resolveCheckpoint(golden, { fetch: forbidden })).toEqual({ folder: golden, name: golden })
    expect(forbidden).not.toHaveBeenCalled()
  })

  it('says that a folder is not there, without asking the Hub for it', async () => {
    for (const path of ['./nowhere', '/no/where', '~/model', 'a/b/c', 'models/']) {
      expect(await failure(resolveCheckpoint(path, { fetch: forbidden }))).toMatchObject({
        code: 'MODEL_FILES_MISSING',
      })
    }
    expect(await failure(resolveCheckpoint(join(golden, 'config.json'), { fetch: forbidden }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    for (const id of ['a b', '', 'org/na--me', 'org/na..me']) {
      expect(await failure(resolveCheckpoint(id, { fetch: forbidden }))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    expect(await failure(resolveCheckpoint(ID, { revision: '../../x' }))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await failure(resolveCheckpoint(ID, { endpoint: 'huggingface.co' }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    expect(await failure(resolveCheckpoint(ID, { cache_dir: 'x' } as never))).toMatchObject({ code: 'UNKNOWN_OPTION' })
    expect(forbidden).not.toHaveBeenCalled()
  })

  it('knows where Python keeps its cache', () => {
    expect(defaultCacheDir({ HF_HUB_CACHE: '/a' })).toBe('/a')
    expect(defaultCacheDir({ HF_HOME: '/b' })).toBe(join('/b', 'hub'))
    expect(defaultCacheDir({ HF_HOME: '~/hf' })).toBe(join(homedir(), 'hf', 'hub'))
    expect(defaultCacheDir({ XDG_CACHE_HOME: '/c' })).toBe(join('/c', 'huggingface', 'hub'))
    expect(defaultCacheDir({})).toBe(join(homedir(), '.cache', 'huggingface', 'hub'))
  })
})

describe('a download', () => {
  it('has what the checkpoint needs, in the layout that Python uses', async () => {
    const progress: Progress[] = []
    const { folder, name, revision } = await resolve({ onProgress: (one: Progress) => progress.push(one) })
    expect([name, revision]).toEqual([ID, hub.commit])
    expect(folder).toBe(join(cacheDir, 'models--org--tiny-colbert/snapshots', hub.commit))
    expect(filesBelow(folder)).toEqual(filesBelow(golden))
    for (const path of filesBelow(golden)) {
      expect(readFileSync(join(folder, path)).equals(readFileSync(join(golden, path)))).toBe(true)
      expect(realpathSync(join(folder, path))).toBe(
        realpathSync(join(cacheDir, 'models--org--tiny-colbert/blobs', hub.etag(path))),
      )
    }
    expect(readlinkSync(join(folder, '1_Dense/config.json'))).toMatch(/^\.\.\/\.\.\/\.\.\/blobs\//)
    expect(readFileSync(join(cacheDir, 'models--org--tiny-colbert/refs/main'), 'utf8')).toBe(hub.commit)
    expect(blobs().filter((blob) => blob.includes('.'))).toEqual([])

    const last = progress.at(-1)!
    expect(last.phase).toBe('download')
    expect(last.done).toBe(last.total)
    expect(progress.every(({ done }, i) => i === 0 || done >= progress[i - 1]!.done)).toBe(true)
    expect(new Set(progress.map(({ total }) => total)).size).toBe(1)
  })

  it('does not fetch again what is there', async () => {
    await resolve()
    hub.requests.length = 0
    const onProgress = vi.fn()
    await resolve({ onProgress })
    expect(hub.requests.filter(({ where }) => where !== 'api')).toEqual([])
    expect(onProgress).not.toHaveBeenCalled()
    hub.requests.length = 0
    // A commit never changes: not even a question.
    await resolve({ revision: hub.commit })
    expect(hub.requests).toEqual([])
  })

  it('of a tag or pull request remembers it under that name', async () => {
    await resolve({ revision: 'v1' })
    await resolve({ revision: 'refs/pr/1' })
    expect(readFileSync(join(cacheDir, 'models--org--tiny-colbert/refs/v1'), 'utf8')).toBe(hub.commit)
    expect(readFileSync(join(cacheDir, 'models--org--tiny-colbert/refs/refs/pr/1'), 'utf8')).toBe(hub.commit)
  })

  it('finds files that Python fetched', async () => {
    // A blob without a link, and a link that points at one: what an interrupted Python download leaves.
    const repo = join(cacheDir, 'models--org--tiny-colbert')
    mkdirSync(join(repo, 'blobs'), { recursive: true })
    writeFileSync(join(repo, 'blobs', hub.etag(LARGE)), hub.files.get(LARGE)!)
    await resolve()
    expect(hub.requests.filter(({ where, path }) => where === 'cdn' && path === LARGE)).toEqual([])
  })

  it('completes what Python fetched in part, even of a fixed commit', async () => {
    const snapshot = join(cacheDir, 'models--org--tiny-colbert/snapshots', hub.commit)
    mkdirSync(snapshot, { recursive: true })
    for (const path of ['config.json', 'tokenizer.json', LARGE])
      writeFileSync(join(snapshot, path), hub.files.get(path)!)
    const { folder } = await resolve({ revision: hub.commit })
    expect(filesBelow(folder)).toEqual(filesBelow(golden))
  })

  it('replaces a file that was cut short', async () => {
    const { folder } = await resolve()
    truncateSync(realpathSync(join(folder, LARGE)), 1000)
    await resolve()
    expect(readFileSync(join(folder, LARGE)).equals(hub.files.get(LARGE)!)).toBe(true)
  })

  it('by two callers at once happens once', async () => {
    await Promise.all([resolve(), resolve()])
    const fetched = hub.requests.filter(({ where }) => where !== 'api').map(({ where, path }) => `${where} ${path}`)
    expect(fetched.length).toBe(new Set(fetched).size)
  })

  it('of an ONNX repository takes the graphs, and only without weights', async () => {
    for (const path of hub.files.keys()) if (/safetensors|onnx/.test(path)) hub.files.delete(path)
    hub.files.set('model.onnx', Buffer.from('graph'))
    hub.files.set('model_int8.onnx', Buffer.from('small graph'))
    hub.files.set('model.onnx_data', Buffer.from('weights'))
    const { folder } = await resolve()
    expect(filesBelow(folder)).toEqual(expect.arrayContaining(['model.onnx', 'model.onnx_data', 'model_int8.onnx']))
  })

  it('of weights in another format says so before fetching anything large', async () => {
    for (const path of hub.files.keys()) if (path.endsWith('.safetensors')) hub.files.delete(path)
    const error = await failure(resolve())
    expect(error).toMatchObject({ code: 'MODEL_FILES_MISSING', message: expect.stringContaining('pytorch_model.bin') })
    expect(hub.requests.some(({ path }) => path === 'pytorch_model.bin')).toBe(false)
  })

  it('takes shards when the weights come in shards', async () => {
    const weights = hub.files.get(LARGE)!
    hub.files.delete(LARGE)
    hub.files.set('model-00001-of-00002.safetensors', weights)
    hub.files.set('model-00002-of-00002.safetensors', weights)
    hub.files.set(
      'model.safetensors.index.json',
      Buffer.from(
        JSON.stringify({
          weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' },
        }),
      ),
    )
    const { folder } = await resolve()
    expect(filesBelow(folder)).toContain('model-00002-of-00002.safetensors')
    rmSync(join(folder, 'model-00002-of-00002.safetensors'))
    expect((await failure(resolve({ offline: true }))).message).toContain('model-00002-of-00002.safetensors')
  })
})

describe('a bad connection', () => {
  it('that is cut goes on where it stopped', async () => {
    hub.faults.set(LARGE, [{ cutAfter: 100_000 }, { cutAfter: 50_000 }])
    const { folder } = await resolve()
    expect(readFileSync(join(folder, LARGE)).equals(hub.files.get(LARGE)!)).toBe(true)
    const ranges = hub.requests.filter(({ where, path }) => where === 'cdn' && path === LARGE).map(({ range }) => range)
    expect(ranges).toHaveLength(3)
    expect(ranges[0]).toBeUndefined()
    expect(Number(/bytes=(\d+)-/.exec(ranges[1]!)![1])).toBeGreaterThan(0)
    expect(Number(/bytes=(\d+)-/.exec(ranges[2]!)![1])).toBeGreaterThan(Number(/bytes=(\d+)-/.exec(ranges[1]!)![1]))
  })

  it('to a server that knows no ranges starts over', async () => {
    hub.faults.set(LARGE, [{ cutAfter: 100_000 }, { ignoreRange: true }])
    const { folder } = await resolve()
    expect(readFileSync(join(folder, LARGE)).equals(hub.files.get(LARGE)!)).toBe(true)
  })

  it('is tried again after 503, 429 and at the time the server asks for', async () => {
    const now = { 'retry-after': '0' }
    hub.faults.set('api', [
      { status: 503, headers: now },
      { status: 429, headers: now },
    ])
    hub.faults.set('config.json', [{ status: 500, headers: now }])
    hub.faults.set(LARGE, [{ status: 502 }])
    const { folder } = await resolve()
    expect(filesBelow(folder)).toEqual(filesBelow(golden))
  })

  it('that stays bad is an error that keeps its cause', async () => {
    hub.faults.set(
      'config.json',
      Array.from({ length: 9 }, () => ({ status: 503, headers: { 'retry-after': '0' } })),
    )
    const error = await failure(resolve())
    expect(error).toMatchObject({ code: 'DOWNLOAD_FAILED', message: expect.stringContaining('503') })
    expect(error.cause).toBeInstanceOf(Error)
    expect(hub.requests.filter(({ path }) => path === 'config.json')).toHaveLength(5)
    expect(existsSync(join(cacheDir, 'models--org--tiny-colbert/refs'))).toBe(false)
  })

  it('to nowhere uses what is cached, and says so', async () => {
    await resolve()
    const warnings: Warning[] = []
    const offlineFetch = () => Promise.reject(new TypeError('fetch failed', { cause: new Error('ENOTFOUND') }))
    const { revision } = await resolve({ fetch: offlineFetch, onWarning: (one: Warning) => warnings.push(one) })
    expect(revision).toBe(hub.commit)
    expect(warnings).toEqual([{ code: 'HUB_UNREACHABLE', message: expect.stringContaining(hub.commit) }])
    const error = await failure(
      resolveCheckpoint('org/other', { endpoint: hub.endpoint, cacheDir, fetch: offlineFetch }),
    )
    expect(error).toMatchObject({ code: 'DOWNLOAD_FAILED', message: expect.stringContaining('ENOTFOUND') })
  }, 30_000)

  it('of a bare name says that there is no such folder either', async () => {
    const nowhere = () => Promise.reject(new TypeError('fetch failed'))
    const error = await failure(resolveCheckpoint('my-model', { endpoint: hub.endpoint, cacheDir, fetch: nowhere }))
    expect(error).toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringMatching(/there is none named my-model here/),
    })
  }, 30_000)

  it('that changes bytes is found out', async () => {
    hub.faults.set(LARGE, [{ corrupt: true }])
    hub.faults.set('config.json', [{ corrupt: true }])
    const { folder } = await resolve()
    expect(readFileSync(join(folder, LARGE)).equals(hub.files.get(LARGE)!)).toBe(true)
    expect(readFileSync(join(folder, 'config.json')).equals(hub.files.get('config.json')!)).toBe(true)
  })

  it('that always changes bytes is refused, and nothing of it is kept', async () => {
    hub.faults.set(LARGE, [{ corrupt: true }, { corrupt: true }])
    const error = await failure(resolve())
    expect(error).toMatchObject({ code: 'DOWNLOAD_FAILED', message: expect.stringContaining(LARGE) })
    expect(blobs().some((blob) => blob.startsWith(hub.etag(LARGE)))).toBe(false)
  })
})

describe('an interrupted download', () => {
  it('by a signal ends at once and goes on later', async () => {
    hub.faults.set(LARGE, [{ stallAfter: 200_000 }])
    const controller = new AbortController()
    const onProgress = ({ file, done }: Progress) => {
      if (file === LARGE && done > 200_000) controller.abort(new Error('enough'))
    }
    expect((await failure(resolve({ signal: controller.signal, onProgress }))).message).toBe('enough')
    hub.requests.length = 0
    const { folder } = await resolve()
    const ranges = hub.requests.filter(({ where }) => where === 'cdn').map(({ path, range }) => path === LARGE && range)
    expect(ranges).toContainEqual(expect.stringMatching(/^bytes=[1-9]/))
    expect(readFileSync(join(folder, LARGE)).equals(hub.files.get(LARGE)!)).toBe(true)
  })

  it('before it began makes no request', async () => {
    expect((await failure(resolve({ signal: AbortSignal.abort() }))).name).toBe('AbortError')
    expect(hub.requests).toEqual([])
  })

  it('by a kill goes on, from what the dead process left', async () => {
    const blobFolder = join(cacheDir, 'models--org--tiny-colbert/blobs')
    mkdirSync(blobFolder, { recursive: true })
    // The number of a process that has ended.
    const dead = await new Promise<number>((done) => {
      const child = spawn(process.execPath, ['-e', ''])
      child.on('exit', () => done(child.pid!))
    })
    const host = (await import('node:os')).hostname()
    const half = hub.files.get(LARGE)!.subarray(0, 150_000)
    writeFileSync(join(blobFolder, `${hub.etag(LARGE)}.${host}-${dead}.incomplete`), half)
    // That of one that is alive is left alone.
    writeFileSync(join(blobFolder, `${hub.etag('config.json')}.${host}-${process.ppid}.incomplete`), 'x')
    await resolve()
    expect(hub.requests.find(({ where, path }) => where === 'cdn' && path === LARGE)!.range).toBe('bytes=150000-')
    expect(blobs().filter((blob) => blob.includes('.'))).toEqual([
      `${hub.etag('config.json')}.${host}-${process.ppid}.incomplete`,
    ])
  })

  it('whose rest was damaged starts over', async () => {
    const blobFolder = join(cacheDir, 'models--org--tiny-colbert/blobs')
    mkdirSync(blobFolder, { recursive: true })
    writeFileSync(join(blobFolder, `${hub.etag(LARGE)}.free.incomplete`), Buffer.alloc(1000, 7))
    writeFileSync(join(blobFolder, `${hub.etag('config.json')}.free.incomplete`), Buffer.alloc(100_000))
    const { folder } = await resolve()
    expect(readFileSync(join(folder, LARGE)).equals(hub.files.get(LARGE)!)).toBe(true)
    expect(readFileSync(join(folder, 'config.json')).equals(hub.files.get('config.json')!)).toBe(true)
  })
})

describe('access', () => {
  it('is by token, which the CDN never sees', async () => {
    hub.token = 'secret-of-a-mirror'
    await resolve({ token: 'secret-of-a-mirror' })
    expect(hub.requests.filter(({ where }) => where === 'cdn').length).toBeGreaterThan(0)
    for (const { where, authorization } of hub.requests) {
      expect(authorization).toBe(where === 'cdn' ? undefined : 'Bearer secret-of-a-mirror')
    }
  })

  it('may come from the environment', async () => {
    hub.token = 'hf_environment'
    vi.stubEnv('HF_TOKEN', 'hf_environment')
    vi.stubEnv('HF_ENDPOINT', hub.endpoint)
    expect((await resolveCheckpoint(ID, { cacheDir })).revision).toBe(hub.commit)
  })

  it('that is missing is explained', async () => {
    hub.token = 'hf_x'
    const missing = await failure(resolve())
    expect(missing).toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringMatching(/401.*pass the token option/),
    })
    const wrong = await failure(resolve({ token: 'hf_y' }))
    expect(wrong.message).toMatch(/the token/)
    hub.gated = true
    const gated = await failure(resolve())
    expect(gated).toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringMatching(/gated.*403.*Accept its terms.*token option/),
    })
    expect(missing.message + wrong.message + gated.message).not.toContain('hf_')
  })

  it('to what does not exist', async () => {
    const model = await failure(resolveCheckpoint('org/unknown', { endpoint: hub.endpoint, cacheDir }))
    expect(model).toMatchObject({ code: 'MODEL_FILES_MISSING', message: expect.stringContaining('org/unknown') })
    expect(await failure(resolveCheckpoint('bare-name', { endpoint: hub.endpoint, cacheDir }))).toMatchObject({
      code: 'MODEL_FILES_MISSING',
    })
    expect(await failure(resolve({ revision: 'v9' }))).toMatchObject({
      code: 'MODEL_FILES_MISSING',
      message: expect.stringContaining('"v9"'),
    })
  })

  it('to a repository that would write elsewhere is refused', async () => {
    hub.files.set('../../evil.json', Buffer.from('{}'))
    expect((await failure(resolve())).message).toContain('evil.json')
    expect(existsSync(join(cacheDir, 'evil.json'))).toBe(false)
  })
})

describe('offline', () => {
  it('uses the cache and opens no socket', async () => {
    const { folder } = await resolve()
    const forbidden = vi.fn()
    expect(await resolve({ offline: true, fetch: forbidden })).toEqual({ folder, name: ID, revision: hub.commit })
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    expect((await resolve({ fetch: forbidden })).folder).toBe(folder)
    expect(forbidden).not.toHaveBeenCalled()
  })

  it('lists what is missing', async () => {
    const nothing = await failure(resolve({ offline: true }))
    expect(nothing).toMatchObject({
      code: 'OFFLINE',
      message: expect.stringContaining('"main" of org/tiny-colbert is not in the cache'),
    })
    const { folder } = await resolve()
    rmSync(join(folder, '2_Dense/model.safetensors'))
    rmSync(join(folder, 'tokenizer.json'))
    expect((await failure(resolve({ offline: true }))).message).toMatch(
      /lacks tokenizer\.json, 2_Dense\/model\.safetensors/,
    )
  })

  it('knows every golden folder as complete', async () => {
    for (const name of ['bert-tiny', 'bert-st-modules', 'stanford-tiny', 'plain-tiny', 'modernbert-residual-linear']) {
      const repo = join(cacheDir, `models--org--${name}`)
      mkdirSync(join(repo, 'snapshots'), { recursive: true })
      mkdirSync(join(repo, 'refs'), { recursive: true })
      symlinkSync(join(goldens, name, 'model'), join(repo, 'snapshots', hub.commit))
      writeFileSync(join(repo, 'refs/main'), hub.commit)
      expect((await resolveCheckpoint(`org/${name}`, { cacheDir, offline: true })).revision).toBe(hub.commit)
    }
  })
})

// Root may write anywhere, so the permission tests run as somebody else where that is possible. Windows has no modes.
describe.skipIf(process.platform === 'win32' || process.getuid?.() === 0)('a cache that cannot be written', () => {
  it('is fine while all is there', async () => {
    await resolve()
    execFileSync('chmod', ['-R', 'a-w', cacheDir])
    try {
      expect((await resolve()).revision).toBe(hub.commit)
    } finally {
      execFileSync('chmod', ['-R', 'u+w', cacheDir])
    }
  })

  it('is an error that names the option when it was chosen', async () => {
    chmodSync(cacheDir, 0o500)
    try {
      expect(await failure(resolve())).toMatchObject({
        code: 'DOWNLOAD_FAILED',
        message: expect.stringContaining('cacheDir'),
      })
    } finally {
      chmodSync(cacheDir, 0o700)
    }
  })
})

describe('a default cache that cannot be written', () => {
  it('gives way to a temporary folder of this user, with a warning', async () => {
    // A file where the folder should be fails for everybody, root included.
    const blocked = join(cacheDir, 'file')
    writeFileSync(blocked, '')
    vi.stubEnv('HF_HUB_CACHE', join(blocked, 'hub'))
    for (const name of ['TMPDIR', 'TEMP', 'TMP']) vi.stubEnv(name, cacheDir)
    const warnings: Warning[] = []
    const { folder } = await resolveCheckpoint(ID, { endpoint: hub.endpoint, onWarning: (one) => warnings.push(one) })
    expect(folder.startsWith(cacheDir)).toBe(true)
    expect(filesBelow(folder)).toEqual(filesBelow(golden))
    expect(warnings).toEqual([{ code: 'CACHE_READONLY', message: expect.stringContaining('cacheDir') }])
    expect(await failure(resolve({ cacheDir: join(blocked, 'hub') }))).toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining('cacheDir'),
    })
  })
})

it('a downloaded file is on the disk before it bears its name', async () => {
  const probe = await open(join(cacheDir, 'probe'), 'w')
  const prototype = Object.getPrototypeOf(probe) as { sync(): Promise<void> }
  await probe.close()
  const sync = vi.spyOn(prototype, 'sync')
  try {
    await resolve()
    expect(blobs().length).toBeGreaterThan(2)
    expect(sync.mock.calls.length).toBeGreaterThanOrEqual(blobs().length)
  } finally {
    sync.mockRestore()
  }
})
