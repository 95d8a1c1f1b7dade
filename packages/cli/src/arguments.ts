/** Other spellings people try, as the flags that exist. */
const ALIASES: Readonly<Record<string, string>> = {
  '--dense-override': '--dense-overrides',
  '--skiplist-word': '--skiplist-words',
  '--top-k': '--k',
  '--metric': '--metrics',
  '--pool': '--pool-factor',
  '--normalize-embeddings': '--normalize',
}

/**
 * Lets a flag be written as the library or Python spells it (`--queryLength`, `--query_length`) and a switch take a value
 * (`--offline=false`). Flags that are not known stay as they are, so that messages show what was typed.
 *
 * @param known every long flag of every command
 */
export function normalizeArguments(args: readonly string[], known: ReadonlySet<string>): string[] {
  const end = args.indexOf('--')
  return args.map((argument, i) => {
    if (!argument.startsWith('--') || (end !== -1 && i >= end)) return argument
    const equals = argument.indexOf('=')
    const typed = equals === -1 ? argument : argument.slice(0, equals)
    const value = equals === -1 ? undefined : argument.slice(equals + 1)
    const kebab = typed
      .replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => `-${letter}`)
      .replaceAll('_', '-')
      .toLowerCase()
    const flag = ALIASES[kebab] ?? kebab
    if (!known.has(flag)) return argument
    const negated = flag.replace('--', '--no-')
    if (value !== undefined && known.has(negated) && /^(true|false|1|0)$/i.test(value))
      return /^(true|1)$/i.test(value) ? flag : negated
    return value === undefined ? flag : `${flag}=${value}`
  })
}
