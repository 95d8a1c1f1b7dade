import type { Field } from './server/api.js'
import { element, part, shortened } from './dom.js'

export type Operator = 'eq' | 'ne' | 'gte' | 'lte' | 'contains' | 'exists'
type Plain = string | number | boolean

/** One condition; all of them have to hold. */
export interface Condition {
  readonly field: string
  readonly operator: Operator
  readonly value: Plain
}

const NAMES: Readonly<Record<Operator, string>> = {
  eq: 'is',
  ne: 'is not',
  gte: 'is at least',
  lte: 'is at most',
  contains: 'contains',
  exists: 'is there',
}

/** The conditions of a search, and the row in which they are made. */
export class Filters {
  #conditions: Condition[] = []
  #fields: readonly Field[] = []
  readonly #onChange: () => void

  constructor(onChange: () => void) {
    this.#onChange = onChange
    const toggle = part('filter-toggle')
    toggle.addEventListener('click', () => {
      const open = part('filter').hidden
      part('filter').hidden = !open
      toggle.setAttribute('aria-expanded', String(open))
      if (open) part('filter-field').focus()
    })
    part('filter-operator').append(
      ...Object.entries(NAMES).map(([operator, name]) => element('option', { value: operator }, name)),
    )
    part('filter-field').addEventListener('change', () => this.#suggest())
    part('filter-operator').addEventListener('change', () => this.#suggest())
    part('filter-add').addEventListener('click', () => this.#addTyped())
    part('filter-value').addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return
      event.preventDefault()
      this.#addTyped()
    })
  }

  get conditions(): readonly Condition[] {
    return this.#conditions
  }

  /** As the API takes it; undefined for everything. */
  get where(): object | undefined {
    if (this.#conditions.length === 0) return undefined
    // Two may be about one field.
    return { and: this.#conditions.map(({ field, operator, value }) => ({ [field]: { [operator]: value } })) }
  }

  /** Fields to choose from. */
  offer(fields: readonly Field[]): void {
    this.#fields = fields
    part('filter-toggle').hidden = fields.length === 0
    const select = part<HTMLSelectElement>('filter-field')
    const before = select.value
    select.replaceChildren(...fields.map(({ name }) => element('option', { value: name }, shortened(name, 60))))
    if (fields.some(({ name }) => name === before)) select.value = before
    this.#suggest()
  }

  add(condition: Condition): void {
    const same = (other: Condition): boolean => JSON.stringify(other) === JSON.stringify(condition)
    if (this.#conditions.some(same)) return
    this.set([...this.#conditions, condition])
    this.#onChange()
  }

  /** Without a search. */
  set(conditions: readonly Condition[]): void {
    this.#conditions = conditions.filter(
      ({ field, operator }) => typeof field === 'string' && Object.hasOwn(NAMES, operator),
    )
    this.#draw()
  }

  #addTyped(): void {
    const field = part<HTMLSelectElement>('filter-field').value
    const operator = part<HTMLSelectElement>('filter-operator').value as Operator
    const input = part<HTMLInputElement>('filter-value')
    const typed = input.value.trim()
    if (field === '' || (typed === '' && operator !== 'exists')) return input.focus()
    const known = this.#fields.find(({ name }) => name === field)
    this.add({ field, operator, value: operator === 'exists' ? true : valueOf(typed, known) })
    input.value = ''
    input.focus()
  }

  #suggest(): void {
    const input = part<HTMLInputElement>('filter-value')
    const isExists = part<HTMLSelectElement>('filter-operator').value === 'exists'
    input.disabled = isExists
    const field = this.#fields.find(({ name }) => name === part<HTMLSelectElement>('filter-field').value)
    const values = isExists ? [] : (field?.values ?? [])
    part('filter-values').replaceChildren(
      ...values.map(({ value, documents }) =>
        element('option', { value: String(value), label: `${shortened(String(value), 60)} (${documents})` }),
      ),
    )
    input.placeholder = values[0] ? shortened(String(values[0].value), 30) : ''
  }

  #draw(): void {
    const list = part('conditions')
    list.replaceChildren(
      ...this.#conditions.map((condition, i) => {
        const { field, operator, value } = condition
        const name = `${shortened(field, 60)} ${NAMES[operator]}`
        const text = operator === 'exists' ? name : `${name} ${shortened(String(value), 80)}`
        const remove = element('button', {
          type: 'button',
          class: 'chip on',
          'aria-label': `Remove the filter ${text}`,
        })
        remove.append(element('bdi', {}, text), element('span', { 'aria-hidden': 'true' }, ' ×'))
        remove.addEventListener('click', () => {
          this.set(this.#conditions.filter((_, other) => other !== i))
          const next = list.querySelectorAll('button')[Math.min(i, this.#conditions.length - 1)]
          ;(next ?? part('query')).focus()
          this.#onChange()
        })
        return element('li', {}, remove)
      }),
    )
    list.hidden = this.#conditions.length === 0
  }
}

/** What was typed, as the field has it: numbers compare with numbers only. */
function valueOf(typed: string, field: Field | undefined): Plain {
  const known = field?.values?.find(({ value }) => String(value) === typed)
  if (known) return known.value
  const takes = (type: string): boolean => !field || field.types.length === 0 || field.types.includes(type)
  if (takes('number') && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(typed)) return Number(typed)
  if (takes('boolean') && (typed === 'true' || typed === 'false')) return typed === 'true'
  return typed
}
