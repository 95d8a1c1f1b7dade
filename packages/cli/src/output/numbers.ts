const THOUSANDS = new Intl.NumberFormat('en')

/** 5183 → "5,183". */
export function count(value: number): string {
  return THOUSANDS.format(Math.round(value))
}

/** "1 passage", "5,183 passages". */
export function counted(value: number, noun: string, plural = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : plural}`
}

/** 4200000 → "4.2 MB" (powers of ten, as file managers and disks count). */
export function fileSize(bytes: number): string {
  let size = bytes
  for (const unit of ['bytes', 'kB', 'MB', 'GB']) {
    if (size < 1000) return unit === 'bytes' ? `${size} bytes` : `${size.toFixed(size < 10 ? 1 : 0)} ${unit}`
    size /= 1000
  }
  return `${size.toFixed(1)} TB`
}

/** 23 → "23 ms", 4200 → "4.2 s", 83000 → "1:23 min". */
export function duration(milliseconds: number): string {
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  const seconds = milliseconds / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  return `${clock(seconds)} min`
}

/** 83 → "1:23". */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const pad = (value: number): string => String(value).padStart(2, '0')
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`
}
