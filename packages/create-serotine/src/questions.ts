import type { Readable, Writable } from 'node:stream'
import { cancel, confirm, isCancel, log, select, text } from '@clack/prompts'
import { Failure } from './failure.js'
import { checkFolder } from './project.js'
import type { Template } from './templates.js'

/** Where questions are asked. Default: this process's terminal. */
export interface Terminal {
  input?: Readable
  output?: Writable
}

/** Somebody pressed Ctrl-C at a question. */
export class Cancelled extends Error {}

function answered<T>(answer: T, terminal: Terminal): Exclude<T, symbol> {
  if (!isCancel(answer)) return answer as Exclude<T, symbol>
  cancel('Nothing more was done.', terminal)
  throw new Cancelled()
}

export async function askTemplate(templates: readonly Template[], terminal: Terminal = {}): Promise<Template> {
  const options = templates.map((template) => ({ value: template, label: template.name, hint: template.about }))
  return answered(await select<Template>({ message: 'Which template?', options, ...terminal }), terminal)
}

/** Asks until the folder can be written to. */
export async function askFolder(suggestion: string, terminal: Terminal = {}): Promise<string> {
  const question = { message: 'In which folder?', placeholder: suggestion, defaultValue: suggestion, ...terminal }
  for (;;) {
    const folder = answered(await text(question), terminal)
    try {
      await checkFolder(folder)
      return folder
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      log.error(error.message, terminal)
    }
  }
}

export async function askYes(message: string, terminal: Terminal = {}): Promise<boolean> {
  return answered(await confirm({ message, ...terminal }), terminal)
}
