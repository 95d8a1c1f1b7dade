type Child = Node | string | false | undefined
type Listeners = { readonly [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void }

export interface Properties {
  readonly class?: string
  readonly on?: Listeners
  /** Any other attribute; true for one without a value, false and undefined for none. */
  readonly [attribute: string]: string | number | boolean | undefined | Listeners
}

/** An element with its attributes, listeners and children. Text is only ever text: nothing here is read as HTML. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value as Record<string, EventListener>))
        made.addEventListener(event, listener)
    } else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? '' : String(value))
  }
  made.append(...children.filter((child): child is Node | string => child !== false && child !== undefined))
  return made
}

/** The same for pictures. */
export function svg(tag: string, attributes: Record<string, string | number>, ...children: Node[]): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value))
  made.append(...children)
  return made
}

/** An element of the page by its id. */
export function part<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id)
  if (!found) throw new Error(`The page has no #${id}.`)
  return found as T
}

export const count = (value: number): string => value.toLocaleString('en-US')

export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

export function bytes(value: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

export function milliseconds(value: number): string {
  return value < 1 ? '<1' : value < 10 ? value.toFixed(1) : count(Math.round(value))
}

/** Cuts what is too long to show, between characters. */
export function shortened(text: string, most: number): string {
  if (text.length <= most) return text
  const end = /[\ud800-\udbff]$/.test(text.slice(0, most)) ? most - 1 : most
  return `${text.slice(0, end).trimEnd()}…`
}
