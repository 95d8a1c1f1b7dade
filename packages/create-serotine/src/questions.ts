import { cancel, confirm, isCancel, select, text } from '@clack/prompts'
import { Failure } from './failure.js'
import { checkFolder } from './project.js'
import type { Template } from './templates.js'

/** Somebody pressed Ctrl-C at a question. */
export class Cancelled extends Error {}

function answered<T>(answer: T): Exclude<T, symbol> {
  if (!isCancel(answer)) return answer as Exclude<T, symbol>
  cancel('Nothing was written.')
  throw new Cancelled()
}

export async function askTemplate(templates: readonly Template[]): Promise<Template> {
  return answered(
    await select<Template>({
      message: 'Which template?',
      options: templates.map((template) => ({ value: template, label: template.name, hint: template.about })),
    }),
  )
}

/** Asks until the folder can be written to. */
export async function askFolder(suggestion: string): Promise<string> {
  for (;;) {
    const folder = answered(
      await text({ message: 'In which folder?', placeholder: suggestion, defaultValue: suggestion }),
    )
    try {
      await checkFolder(folder)
      return folder
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      cancel(error.message)
    }
  }
}

export async function askYes(message: string): Promise<boolean> {
  return answered(await confirm({ message }))
}
