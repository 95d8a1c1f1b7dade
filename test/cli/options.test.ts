import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { OpenOptions } from '../../packages/core/src/index.js'
import { ENCODE_OPTIONS, LOAD_OPTIONS } from '../../packages/core/src/entries/options.js'
import { createProgram } from '../../packages/cli/src/program.js'
import {
  ENCODING_OPTIONS,
  INDEX_OPTIONS,
  MODEL_OPTIONS,
  OVERRIDE_OPTIONS,
  flagOf,
} from '../../packages/cli/src/options.js'

/** What cannot be said in a shell: functions, signals, modules. */
const NOT_FLAGS = ['fetch', 'signal', 'onProgress', 'onWarning', 'workerUrl', 'ort', 'tokenizer']

const sorted = (names: readonly string[]): string[] => [...names].sort()
/** Refused: it says what it is called now. */
const UNDOCUMENTED = new Set(['--help', '--stages'])

const flagsOf = (command: string): string[] =>
  createProgram()
    .commands.find((candidate) => candidate.name() === command)!
    .options.flatMap(({ long }) => (long ? [long] : []))

describe('flags', () => {
  it('are the options of ColBERT.load', () => {
    const options = LOAD_OPTIONS.filter((name) => !NOT_FLAGS.includes(name))
    expect(sorted([...MODEL_OPTIONS, ...OVERRIDE_OPTIONS].map(({ name }) => name))).toEqual(sorted(options))
  })

  it('are the options of encoding', () => {
    const options = ENCODE_OPTIONS.filter((name) => !NOT_FLAGS.includes(name) && name !== 'batchSize')
    expect(sorted(ENCODING_OPTIONS.map(({ name }) => name))).toEqual(sorted(options))
  })

  it('are the options of an index', () => {
    const options: Record<
      Exclude<keyof OpenOptions, 'model' | 'dim' | 'readonly' | 'create' | 'hnswlib' | 'onWarning' | 'compactAt'>,
      true
    > = {
      codec: true,
      fde: true,
      firstStage: true,
      keywords: true,
    }
    expect(sorted(INDEX_OPTIONS.map(({ name }) => name))).toEqual(sorted(Object.keys(options)))
  })

  it('are all there where a model encodes documents', () => {
    const all = [...MODEL_OPTIONS, ...OVERRIDE_OPTIONS, ...ENCODING_OPTIONS].map(({ name }) => flagOf(name))
    for (const command of ['index', 'encode', 'eval'])
      expect({ command, flags: flagsOf(command) }).toEqual({ command, flags: expect.arrayContaining(all) })
    for (const command of ['index', 'eval'])
      expect(flagsOf(command)).toEqual(expect.arrayContaining(['--codec', '--fde']))
  })

  it('are all in docs/cli.md', () => {
    const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8')
    const flags = createProgram().commands.flatMap((command) => flagsOf(command.name()))
    const missing = [...new Set(flags)].filter(
      (flag) =>
        !flag.startsWith('--no-') &&
        !page.includes(`${flag}\``) &&
        !page.includes(`${flag} `) &&
        !UNDOCUMENTED.has(flag),
    )
    expect(missing).toEqual([])
  })
})

describe('help', () => {
  it('has examples for every command, all of them with flags that exist', () => {
    const program = createProgram({ helpAll: true })
    for (const command of program.commands) {
      let help = ''
      command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp()
      const examples = help.split('Examples:\n')[1] ?? ''
      expect(examples.match(/serotine /g)!.length).toBeGreaterThan(1)
      const known = flagsOf(command.name())
      const used = Array.from(examples.matchAll(/(?<=\s)--[a-z][a-z-]*/g), ([flag]) => flag)
      expect({ command: command.name(), flags: used.filter((flag) => !known.includes(flag)) }).toEqual({
        command: command.name(),
        flags: [],
      })
      expect(help.split('\n').filter((line) => line.length > 100)).toEqual([])
    }
  })
})
