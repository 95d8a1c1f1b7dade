/** A point of a plot. */
export interface PlotPoint {
  readonly x: number
  readonly y: number
  /** What a reader sees on pointing at it. */
  readonly title: string
  /** Written next to the point. */
  readonly label?: string
}

export interface PlotSeries {
  /** Which of the colours of the style sheet, from 0. */
  readonly tone: number
  readonly points: readonly PlotPoint[]
  /** Joins the points, in order of x, and writes this label at the line's end. */
  readonly line?: string
  /** Rings rather than discs. */
  readonly hollow?: boolean
}

export interface Plot {
  readonly x: { readonly label: string; readonly format: (value: number) => string; readonly ticks?: readonly number[] }
  readonly y: { readonly label: string; readonly format: (value: number) => string }
  readonly series: readonly PlotSeries[]
  /** A dashed line across: what the others are compared with. */
  readonly reference?: { readonly y: number; readonly label: string }
}

const WIDTH = 480
const HEIGHT = 300
const FRAME = { left: 52, right: 16, top: 14, bottom: 46 }
const TEXT = 11
/** Mean width of a character of the labels, a little on the safe side. */
const CHARACTER = 6.1

interface Box {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

/** Escapes text for HTML content and attributes. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/**
 * A plot as one `<svg>`: logarithmic x, linear y around the data (it need not begin at zero), labels at the lines and points
 * themselves. Colours are classes (`tone-0` …), so that one style sheet serves screen, dark screen and paper.
 */
export function formatPlot(plot: Plot): string {
  const points = plot.series.flatMap((series) => series.points)
  if (points.length === 0) return ''
  const lineLabels = plot.series.flatMap(({ line }) => (line === undefined ? [] : [line.length * CHARACTER + 12]))
  const frame = { ...FRAME, right: Math.max(FRAME.right, ...lineLabels) }
  const [right, bottom] = [WIDTH - frame.right, HEIGHT - frame.bottom]
  const yTicks = ticksAround([...points.map(({ y }) => y), ...(plot.reference ? [plot.reference.y] : [])])
  const xTicks = plot.x.ticks ?? logTicks(points.map(({ x }) => x))
  const xValues = [...points.map(({ x }) => x), ...xTicks].map(Math.log)
  const [xMin, xMax] = widened(
    Math.min(...xValues),
    Math.max(...xValues),
    plot.series.some(({ line }) => line === undefined) ? 0.08 : 0,
  )
  const x = (value: number): number => frame.left + ((Math.log(value) - xMin) / (xMax - xMin)) * (right - frame.left)
  const [yMin, yMax] = [yTicks[0]!, yTicks.at(-1)!]
  const y = (value: number): number => bottom - ((value - yMin) / (yMax - yMin)) * (bottom - frame.top)

  const parts: string[] = []
  for (const tick of yTicks) {
    parts.push(`<line class="grid" x1="${frame.left}" x2="${right}" y1="${at(y(tick))}" y2="${at(y(tick))}"/>`)
    parts.push(text(frame.left - 8, y(tick) + 4, plot.y.format(tick), 'end'))
  }
  for (const tick of xTicks) {
    parts.push(`<line class="tick" x1="${at(x(tick))}" x2="${at(x(tick))}" y1="${bottom}" y2="${bottom + 4}"/>`)
    parts.push(text(x(tick), bottom + 17, plot.x.format(tick), 'middle'))
  }
  parts.push(`<line class="axis" x1="${frame.left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`)
  parts.push(text((frame.left + right) / 2, HEIGHT - 8, plot.x.label, 'middle', 'name'))
  const taken: Box[] = []
  if (plot.reference) {
    const level = y(plot.reference.y)
    parts.push(`<line class="reference" x1="${frame.left}" x2="${right}" y1="${at(level)}" y2="${at(level)}"/>`)
    parts.push(text(frame.left + 4, level - 5, plot.reference.label, 'start', 'name'))
    taken.push({ left: frame.left, right, top: level - 1, bottom: level + 1 })
    taken.push({
      left: frame.left,
      right: frame.left + 4 + plot.reference.label.length * CHARACTER,
      top: level - 16,
      bottom: level + 2,
    })
  }
  const ends: { label: string; tone: number; y: number; x: number }[] = []
  for (const { tone, points: own, line, hollow } of plot.series) {
    const sorted = own.toSorted((a, b) => a.x - b.x)
    if (line !== undefined && sorted.length > 0) {
      const path = sorted.map((point) => `${at(x(point.x))},${at(y(point.y))}`).join(' ')
      parts.push(`<polyline class="line tone-${tone}" points="${path}"/>`)
      const last = sorted.at(-1)!
      ends.push({ label: line, tone, x: x(last.x) + 9, y: y(last.y) })
    }
    for (const point of sorted) {
      const [cx, cy] = [x(point.x), y(point.y)]
      const circle = `<circle class="${hollow ? 'ring' : 'disc'} tone-${tone}" cx="${at(cx)}" cy="${at(cy)}" r="4">`
      parts.push(`${circle}<title>${escapeHtml(point.title)}</title></circle>`)
      taken.push({ left: cx - 5, right: cx + 5, top: cy - 5, bottom: cy + 5 })
    }
  }
  for (const { label, tone, x: left, y: level } of spread(ends, TEXT + 2)) {
    parts.push(text(left, level + 4, label, 'start', `label tone-${tone}`))
  }
  const inside = { left: frame.left, right: WIDTH, top: 0, bottom }
  for (const { tone, points: own } of plot.series) {
    for (const point of own) {
      if (point.label === undefined) continue
      const place = freePlace(x(point.x), y(point.y), point.label.length * CHARACTER, taken, inside)
      taken.push(place)
      parts.push(text(place.left, place.bottom - 3, point.label, 'start', `label tone-${tone}`))
    }
  }
  const description = `${plot.y.label} against ${plot.x.label}`
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(description)}">${parts.join('')}</svg>`
}

/** Where a label fits next to its point: right, left, above, below, then further away. */
function freePlace(x: number, y: number, width: number, taken: readonly Box[], inside: Box): Box {
  const box = (left: number, top: number): Box => ({ left, top, right: left + width, bottom: top + TEXT + 3 })
  const half = (TEXT + 3) / 2
  const candidates = [0, 9, 18].flatMap((shift) => [
    box(x + 8, y - half - shift),
    box(x + 8, y - half + shift),
    box(x - 8 - width, y - half - shift),
    box(x - 8 - width, y - half + shift),
    box(x - width / 2, y - 2 * half - 6 - shift),
    box(x - width / 2, y + 6 + shift),
  ])
  const free = candidates.find(
    (place) =>
      place.left >= inside.left &&
      place.right <= inside.right &&
      place.top >= inside.top &&
      place.bottom <= inside.bottom &&
      !taken.some((other) => overlap(place, other)),
  )
  return free ?? candidates[0]!
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
}

/** Moves labels apart vertically by at least `distance`, keeping their order and staying near their places. */
function spread<T extends { y: number }>(labels: readonly T[], distance: number): T[] {
  const sorted = labels.map((label) => ({ ...label })).toSorted((a, b) => a.y - b.y)
  // Passes of pushing neighbours apart by half the lack each; more than enough for a handful of labels.
  for (let pass = 0; pass < 50; pass++) {
    for (let i = 1; i < sorted.length; i++) {
      const lack = distance - (sorted[i]!.y - sorted[i - 1]!.y)
      if (lack <= 0) continue
      sorted[i - 1]!.y -= lack / 2
      sorted[i]!.y += lack / 2
    }
  }
  return sorted
}

/** Round numbers that enclose the values: four to seven of them. */
function ticksAround(values: readonly number[]): number[] {
  let [min, max] = [Math.min(...values), Math.max(...values)]
  if (max - min < 1e-3) [min, max] = [min - 5e-3, max + 5e-3]
  const rough = (max - min) / 4
  const unit = 10 ** Math.floor(Math.log10(rough))
  const step = unit * [1, 2, 2.5, 5, 10].find((factor) => factor * unit >= rough * 0.999)!
  const first = Math.floor(min / step + 1e-9)
  const last = Math.ceil(max / step - 1e-9)
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(10)))
}

/** 1, 2 and 5 times the powers of ten that enclose the values; only the powers when that would be many. */
function logTicks(values: readonly number[]): number[] {
  const [min, max] = [Math.min(...values), Math.max(...values)]
  const steps = max / min > 200 ? [1] : [1, 2, 5]
  const all: number[] = []
  for (let power = 10 ** Math.floor(Math.log10(min)); power <= max * 10; power *= 10)
    all.push(...steps.map((step) => step * power))
  const from = all.findLastIndex((tick) => tick <= min)
  const to = all.findIndex((tick) => tick >= max)
  return all.slice(Math.max(0, from), to + 1)
}

function widened(min: number, max: number, share: number): [number, number] {
  const extra = max > min ? (max - min) * share : 1
  return [min - extra, max + extra]
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end', kind = ''): string {
  const kinds = kind ? ` class="${kind}"` : ''
  return `<text${kinds} x="${at(x)}" y="${at(y)}" text-anchor="${anchor}">${escapeHtml(content)}</text>`
}

function at(value: number): string {
  return String(Number(value.toFixed(1)))
}
