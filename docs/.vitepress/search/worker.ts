// Searches beside the page, so that it never stands still.
import type { Contents } from './contents.js'
import { download } from './download.js'
import { SearchEngine } from './engine.js'
import type { MatchedWord } from '../../../packages/core/src/highlight/matched-words.js'
import type { Hit } from './engine.js'

export type Request =
  | { readonly do: 'open'; readonly folder: string; readonly withModel: boolean }
  | { readonly do: 'load-model' }
  | { readonly do: 'search'; readonly question: string; readonly count: number }
export type Reply =
  | { readonly say: 'words'; readonly passages: number; readonly bytes: number }
  | { readonly say: 'loading'; readonly loaded: number }
  | { readonly say: 'model' }
  | {
      readonly say: 'hits'
      readonly question: string
      readonly hits: readonly Hit[]
      readonly byModel: boolean
      readonly milliseconds: number
    }
  | { readonly say: 'lit'; readonly question: string; readonly number: number; readonly lit: readonly MatchedWord[] }
  | { readonly say: 'failed'; readonly message: string }

const scope = self as unknown as {
  postMessage(reply: Reply): void
  addEventListener(type: 'message', listener: (event: MessageEvent<Request>) => void): void
}
let folder = ''
let contents: Contents
let engine: SearchEngine
let hasModel = false
let newest = ''
/** One thing after the other, in the order in which they were asked for. */
let before: Promise<unknown> = Promise.resolve()

async function loadModel(): Promise<void> {
  // Loaded only now: who searches by words has no use for it.
  const [{ BrowserEncoder }, files] = await Promise.all([
    import('./encoder.js'),
    download(folder, contents, (loaded) => scope.postMessage({ say: 'loading', loaded })),
  ])
  engine.useModel(await BrowserEncoder.open(contents, files), files['vectors.bin']!)
  hasModel = true
  scope.postMessage({ say: 'model' })
}

async function search(question: string, count: number): Promise<void> {
  if (question !== newest) return
  const [started, byModel] = [performance.now(), hasModel]
  const hits = await engine.search(question, count)
  scope.postMessage({ say: 'hits', question, hits, byModel, milliseconds: performance.now() - started })
  for (const { number } of hits) {
    if (question !== newest) return
    scope.postMessage({ say: 'lit', question, number, lit: await engine.explain(question, number) })
  }
}

async function open(from: string): Promise<void> {
  folder = from
  // What changes with the site is asked for each time; a host answers that it has not changed.
  contents = (await (await fetch(`${folder}passages.json`, { cache: 'no-cache' })).json()) as Contents
  engine = await SearchEngine.open(contents)
  const bytes = Object.values(contents.files).reduce((sum, size) => sum + size, 0)
  scope.postMessage({ say: 'words', passages: contents.passages.length, bytes })
}

function failed(error: unknown): void {
  scope.postMessage({ say: 'failed', message: error instanceof Error ? error.message : String(error) })
}

let opened: Promise<void>
scope.addEventListener('message', ({ data }) => {
  if (data.do === 'open') {
    opened = open(data.folder)
    opened.then(() => (data.withModel ? loadModel() : undefined)).catch(failed)
  } else if (data.do === 'load-model') opened.then(loadModel).catch(failed)
  else {
    newest = data.question
    before = before
      .then(() => opened)
      .then(() => search(data.question, data.count))
      .catch(failed)
  }
})
