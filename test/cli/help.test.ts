import { describe, expect, it } from 'vitest'
import { createProgram } from '../../packages/cli/src/program.js'
import { formatExamples, helpColumns } from '../../packages/cli/src/output/help.js'
import { serotine } from './run-cli.js'

describe('serotine help', () => {
  it('is --help, of a command too', async () => {
    expect(await serotine(['help'])).toEqual(await serotine(['--help']))
    expect(await serotine(['help', 'search'])).toEqual(await serotine(['search', '--help']))
    expect((await serotine(['help', 'index', '--all'])).stdout).toBe((await serotine(['index', '--help-all'])).stdout)
    expect((await serotine(['help', 'index', '--help-all'])).stdout).toContain('--query-length')
    expect((await serotine(['help', 'index'])).stdout).not.toContain('--query-length')
  })

  it('says which command was meant', async () => {
    expect(await serotine(['help', 'serch'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('serotine: there is no command "serch". Did you mean "search"?'),
    })
  })
})

describe('help', () => {
  it.each([60, 80, 120])('is wrapped at %d columns', (columns) => {
    const before = process.env.COLUMNS
    process.env.COLUMNS = String(columns)
    try {
      const program = createProgram({ helpAll: true })
      for (const command of [program, ...program.commands]) {
        let help = ''
        command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp()
        const lines = help.split('\n')
        expect(lines.filter((line) => line.length > columns)).toEqual([])
        // And the width that is there is used.
        if (command.name() === 'index')
          expect(Math.max(...lines.map((line) => line.length))).toBeGreaterThan(columns - 12)
      }
    } finally {
      if (before === undefined) delete process.env.COLUMNS
      else process.env.COLUMNS = before
    }
  })

  it('is wrapped by the command itself too', async () => {
    const { stdout } = await serotine(['help', 'index', '--all'], { env: { COLUMNS: '60' } })
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(60)
  })

  it('takes COLUMNS, else the terminal, else 80', () => {
    const of = (env: Record<string, string>, stream: { isTTY?: boolean; columns?: number }): number =>
      helpColumns({ env, stream })
    expect(of({}, { isTTY: true, columns: 120 })).toBe(120)
    expect(of({ COLUMNS: '60' }, { isTTY: true, columns: 120 })).toBe(60)
    expect(of({ COLUMNS: 'wide' }, {})).toBe(80)
    expect(of({ COLUMNS: '' }, { columns: 120 })).toBe(80)
    expect(of({ COLUMNS: '10' }, {})).toBe(40)
  })

  it('cuts long examples so that a shell reads them whole', () => {
    const command = 'serotine search "flightless birds" --where lang=en --where "year>=2020" -k 3'
    const text = formatExamples([[command, 'three of them']], 50)
    const lines = text.split('\n')
    expect(lines.every((line) => line.length <= 50)).toBe(true)
    expect(lines.at(-1)).toBe('    # three of them')
    expect(
      lines
        .slice(0, -1)
        .join('\n')
        .replace(/ \\\n\s*/g, ' ')
        .trim(),
    ).toBe(command)
  })
})
