import type { Command } from 'commander'
import { nearestName } from '@serotine/core/options'
import { createCommand } from '../command.js'

/** `serotine help index` is `serotine index --help`. */
export function helpCommand(program: Command): Command {
  const command = createCommand('help', {
    summary: 'show this help, or that of a command',
    examples: [
      ['serotine help index', 'what index takes'],
      ['serotine help index --all', 'also the options of models'],
    ],
  })
    .argument('[command]', 'name of a command')
    .option('--all', 'every option')
  return command.action((name: string | undefined) => {
    if (name === undefined) program.help()
    const asked = program.commands.find((candidate) => candidate.name() === name)
    if (asked) asked.help()
    const guess = nearestName(
      name,
      program.commands.map((candidate) => candidate.name()),
    )
    const hint = guess ? ` Did you mean "${guess}"?` : ''
    command.error(`error: there is no command ${JSON.stringify(name)}.${hint}`, { exitCode: 2 })
  })
}
