import { matchedWords } from '@serotine/core/highlight'
import { legend, stacked } from '../bars.js'
import type { SearchAnswer } from '../server/api.js'
import { count, counted, element, milliseconds, part } from '../dom.js'
import { drawHit } from './hits.js'
import type { DrawnHit, HitActions } from './hits.js'
import { drawOrder } from './order.js'

const PARTS: Readonly<Record<string, string>> = {
  encode: 'query encoded',
  firstStage: 'first stage',
  keywords: 'words',
  fetch: 'vectors read',
  rerank: 'MaxSim',
}

/** The hits of one search as they are drawn, and moving among them by keys. */
export class Results {
  #drawn: DrawnHit[] = []

  clear(): void {
    this.#drawn = []
    part('hits').replaceChildren()
    part('order').hidden = true
    part('timings').hidden = true
  }

  /** @param wall milliseconds from the question to the answer */
  show(answer: SearchAnswer, wall: number, actions: HitActions): void {
    const { hits, candidates, first_stage: stage } = answer
    const hasOrder = answer.first_stage_ids !== undefined
    this.#drawn = hits.map((hit) => drawHit(hit, hasOrder, actions))
    part('hits').replaceChildren(...this.#drawn.map(({ item }) => item))
    const how =
      stage === 'exact' ? `${count(candidates)} scored, all of them` : `${count(candidates)} of ${stage} scored`
    part('status').textContent =
      hits.length === 0 ? 'No document passes.' : `${counted(hits.length, 'hit')} in ${milliseconds(wall)} ms · ${how}`
    this.#showTimings(answer, wall)
    const order = part<HTMLDetailsElement>('order')
    order.hidden = hits.length === 0
    part('order-body').replaceChildren(...drawOrder(answer, (rank) => this.focus(rank - 1)))
  }

  /** Lights the words of the hits, which may have been searched for once more. */
  light(answer: SearchAnswer, query: string, common: ReadonlySet<string>): void {
    const matches = new Map(answer.hits.map((hit) => [hit.id, hit]))
    for (const { hit, light } of this.#drawn) {
      const other = matches.get(hit.id)
      if (hit.text === undefined || !other?.matches || other.text !== hit.text) continue
      const placed = other.matches.map(({ query_start: queryStart, query_end: queryEnd, ...match }) => ({
        ...match,
        queryStart,
        queryEnd,
      }))
      light(matchedWords(hit.text, placed, query, common))
    }
  }

  get length(): number {
    return this.#drawn.length
  }

  /** The hit that has the focus, or in which something has; −1: none. */
  get focused(): number {
    return this.#drawn.findIndex(({ item }) => item.contains(document.activeElement))
  }

  focus(position: number): void {
    const hit = this.#drawn[position]
    if (!hit) return
    hit.title.focus({ preventScroll: true })
    hit.item.scrollIntoView({ block: 'nearest' })
  }

  toggleHeatMap(position: number): void {
    this.#drawn[position]?.toggleHeatMap()
  }

  /** @returns whether there was one */
  closeHeatMap(position: number): boolean {
    const hit = this.#drawn[position]
    if (!hit?.isOpen()) return false
    hit.toggleHeatMap(false)
    hit.title.focus()
    return true
  }

  #showTimings({ milliseconds: parts }: SearchAnswer, wall: number): void {
    const known = Object.entries(PARTS).flatMap(([key, name]) => {
      const value = parts[key]
      return value === undefined || value === 0 ? [] : [[name, value] as const]
    })
    const inside = known.reduce((sum, [, value]) => sum + value, 0)
    const all = [...known, ['sent and received', Math.max(0, wall - inside)] as const]
    const timings = part('timings')
    timings.hidden = known.length === 0
    timings.replaceChildren(
      ...stacked(all, Math.max(wall, inside)),
      legend(all, (value) => `${milliseconds(value)} ms`),
    )
    timings.append(element('span', { class: 'hidden' }, `Altogether ${milliseconds(wall)} milliseconds.`))
  }
}
