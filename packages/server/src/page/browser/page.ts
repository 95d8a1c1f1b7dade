import { drawAbout } from './panels/about.js'
import { readAddress, writeAddress } from './address.js'
import { ApiError } from './server/api.js'
import type { Contents, FileResult, IndexDescription, SearchAnswer, Similarities } from './server/api.js'
import { counted, element, part } from './dom.js'
import { Files } from './panels/files.js'
import { Filters } from './filters.js'
import { drawHeatMap } from './results/heat-map.js'
import type { HitActions } from './results/hits.js'
import { startKeys } from './keys.js'
import { hideNotice, request, tell } from './server/request.js'
import { Results } from './results/results.js'
import { noIndex, nothing, welcome } from './start.js'
import { startTheme } from './theme.js'

const HITS = [5, 10, 20, 50]
const DEFAULT_HITS = 10

/** Everything of the page that is not one of its parts: what is asked, in which order, and what follows. */
export function startPage(): void {
  const query = part<HTMLInputElement>('query')
  const indexChoice = part<HTMLSelectElement>('index')
  const stageChoice = part<HTMLSelectElement>('first-stage')
  const k = part<HTMLSelectElement>('k')
  const hybrid = part<HTMLInputElement>('hybrid')
  const results = new Results()
  const filters = new Filters(() => void search())
  const files = new Files(part('add-body'), {
    send: (name, base64) => request<FileResult>('v1/files', { index: indexChoice.value, name, base64 }),
    onDone: () => {
      const again = lastQuery === '' ? undefined : search
      describe().then(again, (error: unknown) => tell(error, () => void begin()))
    },
  })
  let indexes: readonly IndexDescription[] = []
  let common: ReadonlySet<string> = new Set()
  let running = new AbortController()
  let mostBytes = Infinity
  let contents: Promise<void> = Promise.resolve()
  let lastQuery = ''
  let wasSearched = false

  k.append(...HITS.map((n) => element('option', { value: n, selected: n === DEFAULT_HITS }, String(n))))
  startTheme()
  startKeys(results, query)
  const narrow = matchMedia('(max-width: 60rem)').matches
  for (const id of ['order', 'about', 'add']) part<HTMLDetailsElement>(id).open = !narrow

  const chosen = (): IndexDescription | undefined => indexes.find(({ name }) => name === indexChoice.value)

  /** What is served; what the chosen index holds. */
  async function describe(): Promise<void> {
    const answer = await request<{ indexes: IndexDescription[]; limits: { body_bytes: number } }>('v1/indexes')
    indexes = answer.indexes
    mostBytes = answer.limits.body_bytes
    const before = indexChoice.value
    indexChoice.replaceChildren(...indexes.map(({ name }) => element('option', { value: name }, name)))
    if (indexes.some(({ name }) => name === before)) indexChoice.value = before
    part('index-choice').hidden = indexes.length < 2
    showIndex()
  }

  function showIndex(): void {
    const index = chosen()
    for (const id of ['about', 'add']) part(id).hidden = !index
    part('search').hidden = !index
    part('options').hidden = !index
    if (!index) {
      part('summary').textContent = 'reranks only'
      showStart(...noIndex())
      return
    }
    part('summary').textContent = `${counted(index.documents, 'document')} · ${index.model ?? 'no model yet'}`
    part('about-body').replaceChildren(...drawAbout(index))
    files.show(index, mostBytes)
    part('hybrid-choice').hidden = !index.hybrid
    const before = stageChoice.value
    const kept = Object.keys(index.first_stages).map((name) => (name === 'fde' ? 'muvera' : name))
    const stages = [...new Set(['exact', ...kept])]
    stageChoice.replaceChildren(
      element('option', { value: '' }, `auto (${index.first_stage})`),
      ...stages.map((name) => element('option', { value: name }, name)),
    )
    if (stages.includes(before)) stageChoice.value = before
    filters.offer([])
    common = new Set()
    showStart(...welcome(index, undefined, ask))
    // All metadata is read for it, which takes a while for a large index: searches do not wait.
    contents = request<Contents>(`v1/indexes/${encodeURIComponent(index.name)}/contents`).then((found) => {
      if (chosen()?.name !== index.name) return
      common = new Set(found.common_words)
      filters.offer(found.fields)
      if (!part('start').hidden && lastQuery === '') showStart(...welcome(index, found, ask))
    })
    contents.catch((error: unknown) => tell(error, () => void begin()))
  }

  function showStart(...lines: Node[]): void {
    part('start').hidden = false
    part('start').replaceChildren(...lines)
  }

  const ask = (text: string): void => {
    query.value = text
    void search()
  }

  const actions: HitActions = {
    onFilter: (field, value) => filters.add({ field, operator: 'eq', value }),
    onHeatMap(hit, into) {
      into.replaceChildren(element('p', { class: 'quiet', role: 'status' }, 'Comparing tokens …'))
      const { signal } = running
      const ask = { query: lastQuery, index: chosen()?.name, id: hit.id }
      request<Similarities>('v1/explain', ask, signal).then(
        (similarities) => into.replaceChildren(drawHeatMap(lastQuery, hit.text ?? '', similarities)),
        (error: unknown) => {
          if (signal.aborted) return
          into.replaceChildren(
            element('p', { class: 'quiet' }, error instanceof ApiError ? error.message : String(error)),
          )
        },
      )
    },
  }

  async function search(): Promise<void> {
    const index = chosen()
    const text = query.value.trim()
    wasSearched = true
    running.abort()
    const { signal } = (running = new AbortController())
    hideNotice()
    if (!index) return
    remember(text)
    if (text === '') {
      results.clear()
      lastQuery = ''
      part('status').textContent = ''
      part('start').hidden = false
      return
    }
    lastQuery = text
    part('start').hidden = true
    part('hits').setAttribute('aria-busy', 'true')
    const { where } = filters
    const body = {
      query: text,
      index: index.name,
      k: Number(k.value),
      ...(where && { where }),
      ...(stageChoice.value !== '' && { first_stage: stageChoice.value }),
      ...(hybrid.checked && index.hybrid && { hybrid: true }),
    }
    const started = performance.now()
    try {
      const answer = await request<SearchAnswer>('v1/search', body, signal)
      results.show(answer, performance.now() - started, actions)
      part('hits').removeAttribute('aria-busy')
      if (answer.hits.length === 0) showStart(...nothing(index, filters.conditions.length > 0, withoutFilters))
      else if (answer.hits.some((hit) => hit.text !== undefined)) {
        // Lit a moment later: each hit is encoded for it, which the search did not need.
        const lit = await request<SearchAnswer>('v1/search', { ...body, explain: true }, signal).catch(
          (error: unknown) => {
            if (error instanceof ApiError && error.status === 400) return undefined
            throw error
          },
        )
        // Which words are common has been asked for before.
        await contents.catch(() => {})
        if (lit && !signal.aborted) results.light(lit, text, common)
      }
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof ApiError) || error.status !== 400) results.clear()
      tell(error, () => void (indexes.length > 0 ? search() : begin()))
    } finally {
      if (!signal.aborted) part('hits').removeAttribute('aria-busy')
    }
  }

  function withoutFilters(): void {
    filters.set([])
    query.focus()
    void search()
  }

  function remember(text: string): void {
    writeAddress({
      query: text,
      conditions: filters.conditions,
      ...(indexes.length > 1 && { index: indexChoice.value }),
      ...(Number(k.value) !== DEFAULT_HITS && { k: Number(k.value) }),
      ...(stageChoice.value !== '' && { firstStage: stageChoice.value }),
      ...(hybrid.checked && { hybrid: true }),
    })
  }

  /** What the address asks for. */
  async function restore(isFirst: boolean): Promise<void> {
    const asked = readAddress()
    // What was typed while the page asked what is served stays.
    if (asked.query !== '' || !isFirst) query.value = asked.query
    filters.set(asked.conditions)
    hybrid.checked = asked.hybrid === true
    k.value = String(HITS.includes(asked.k ?? 0) ? asked.k : DEFAULT_HITS)
    if (asked.index !== undefined && indexes.some(({ name }) => name === asked.index)) indexChoice.value = asked.index
    showIndex()
    stageChoice.value = [...stageChoice.options].some(({ value }) => value === asked.firstStage)
      ? asked.firstStage!
      : ''
    if (asked.query !== '' || wasSearched) await search()
  }

  async function begin(): Promise<void> {
    hideNotice()
    part('status').textContent = 'Looking at what is served …'
    try {
      await describe()
      part('status').textContent = ''
      await restore(lastQuery === '')
    } catch (error) {
      part('status').textContent = ''
      tell(error, () => void begin())
    }
  }

  part('search').addEventListener('submit', (event) => {
    event.preventDefault()
    void search()
  })
  for (const input of [stageChoice, k, hybrid]) input.addEventListener('change', () => void search())
  indexChoice.addEventListener('change', () => {
    filters.set([])
    showIndex()
    void search()
  })
  addEventListener('popstate', () => void restore(false).catch((error: unknown) => tell(error, () => void begin())))
  void begin()
  if (!narrow) query.focus()
}
