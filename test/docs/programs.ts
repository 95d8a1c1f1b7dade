import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { ROOT } from './pages.js'
import type { Block } from './pages.js'

/** A block as a module of its own. */
export interface Program {
  readonly page: string
  readonly line: number
  readonly code: string
  /** What the `text` block after it says it prints; undefined when there is none. */
  readonly prints: string | undefined
  /** Beginnings of printed lines, from comments after `console.log(…)`. */
  readonly remarks: readonly string[]
}

export function programsOf(blocks: readonly Block[]): Program[] {
  return blocks
    .filter(({ language }) => language === 'ts' || language === 'js')
    .map(({ page, line, setUp, code, prints }) => ({
      page,
      line,
      code: setUp + code,
      prints,
      remarks: Array.from(code.matchAll(/console\.log\(.*\)[ \t]+\/\/ (.+)$/gm), ([, remark]) => remark!),
    }))
}

/** A folder outside the repository in which the packages of the workspace can be imported. */
export class Workshop {
  readonly folder = mkdtempSync(join(tmpdir(), 'serotine-docs-'))

  constructor() {
    symlinkSync(join(ROOT, 'node_modules'), join(this.folder, 'node_modules'), 'junction')
  }

  /** A folder of a page's own; `files` are copies: name → path from the root of the repository. */
  room(name: string, files: Readonly<Record<string, string>> = {}): string {
    const room = join(this.folder, name.replaceAll('/', '-'))
    mkdirSync(room)
    for (const [to, from] of Object.entries(files)) cpSync(join(ROOT, from), join(room, to), { recursive: true })
    return room
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** What the repository's strict TypeScript says of the programs, all in one compilation; `page:line: message` each. */
export function typeErrors(workshop: Workshop, programs: readonly Program[]): string[] {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.base.json'), ts.sys.readFile)
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, ROOT)
  const room = workshop.room('types')
  const byFile = new Map<string, Program>()
  for (const [i, program] of programs.entries()) {
    const file = join(room, `program-${i}.mts`).replaceAll('\\', '/')
    writeFileSync(file, `${program.code}\nexport {}\n`)
    byFile.set(file, program)
  }
  const compilation = ts.createProgram([...byFile.keys()], {
    ...options,
    noEmit: true,
    typeRoots: [join(ROOT, 'node_modules/@types')],
  })
  return ts.getPreEmitDiagnostics(compilation).map(({ file, start = 0, messageText }) => {
    const program = file && byFile.get(file.fileName)
    const message = ts.flattenDiagnosticMessageText(messageText, '\n')
    if (!program || !file) return `${file?.fileName}: ${message}`
    const line = program.code.split('\n')[file.getLineAndCharacterOfPosition(start).line]
    return `${program.page}:${program.line}: ${message} In: ${line}`
  })
}

export interface Outcome {
  readonly program: Program
  readonly output: string
  readonly error: string | undefined
}

/**
 * Runs the programs of a page one after the other in one process without a network, each in a folder of its own.
 *
 * @param files copied into each folder, see `Workshop.room`
 * @param env added to the environment
 */
export async function runPrograms(
  workshop: Workshop,
  programs: readonly Program[],
  files: Readonly<Record<string, string>> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome[]> {
  const rooms = programs.map(({ page, line, code }) => {
    const room = workshop.room(`${page}-${line}`, files)
    const { outputText } = ts.transpileModule(code, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
    })
    writeFileSync(join(room, 'program.mjs'), outputText)
    return room
  })
  const runner = fileURLToPath(new URL('run-programs.mjs', import.meta.url))
  const child = spawn(process.execPath, [runner, ...rooms], {
    env: { ...process.env, NO_COLOR: '1', HF_HUB_CACHE: join(workshop.folder, 'hub-cache'), ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const outcomes = programs.map((program) => ({ program, output: '', error: 'did not end' as string | undefined }))
  const drained = [child.stdout!, child.stderr!].map(async (stream) => {
    let text = ''
    for await (const chunk of stream.setEncoding('utf8')) text += chunk
    return text
  })
  child.on('message', ({ index, output, error }: { index: number; output: string; error?: string }) => {
    Object.assign(outcomes[index]!, { output, error })
  })
  await new Promise((done) => child.on('close', done))
  const [stdout, stderr] = await Promise.all(drained)
  if (stdout || stderr) {
    const stray = `wrote past console.log: ${stdout}${stderr}`
    for (const outcome of outcomes) outcome.error = outcome.error ? `${outcome.error}\n${stray}` : stray
  }
  return outcomes
}
