import cliProgress from 'cli-progress'
import { clock } from './numbers.js'
import type { Terminal } from './terminal.js'

/** One line that is redrawn on standard error while something runs, and leaves no trace. Nothing in a pipe. */
export interface ProgressLine {
  /** @param share 0 … 1, or undefined while the end is not known */
  update(share: number | undefined, details?: string): void
  stop(): void
}

const BAR_WIDTH = 24

export function startProgress(terminal: Terminal, title: string): ProgressLine {
  if (!terminal.showsProgress) return { update: () => {}, stop: () => {} }
  const { cyan, dim } = terminal.errColors
  const started = performance.now()
  let details = ''
  let share: number | undefined = 0
  const draw = (): string => {
    if (share === undefined) return `${title}  ${dim(details)}`
    const filled = Math.round(share * BAR_WIDTH)
    const bar = cyan('━'.repeat(filled)) + dim('─'.repeat(BAR_WIDTH - filled))
    const seconds = (performance.now() - started) / 1000
    // The first seconds of a run say little about the rest.
    const left = share > 0.01 && seconds > 2 ? `${clock((seconds / share) * (1 - share))} left` : ''
    const percent = `${Math.floor(share * 100)}%`.padStart(4)
    return `${title}  ${bar} ${percent}  ${dim([details, left].filter(Boolean).join(' · '))}`
  }
  const bar = new cliProgress.SingleBar({
    format: draw,
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    fps: 10,
    linewrap: false,
    gracefulExit: false,
  })
  bar.start(1, 0)
  return {
    update: (newShare, newDetails) => {
      share = newShare === undefined ? undefined : Math.min(1, Math.max(0, newShare))
      details = newDetails ?? details
      bar.update(share ?? 0)
    },
    stop: () => bar.stop(),
  }
}
