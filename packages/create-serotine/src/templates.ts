import { readFileSync } from 'node:fs'
import { satisfies } from 'semver'

/** Text, or the bytes of what is none. */
export type FileContent = string | { readonly base64: string }

export interface Template {
  readonly name: string
  /** One line on what it is. */
  readonly about: string
  /** By their paths, with forward slashes. */
  readonly files: Readonly<Record<string, FileContent>>
}

export interface Manifest {
  readonly [field: string]: unknown
  readonly engines: { readonly node: string }
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** The folders of `examples/` that `templates.json` names, as they were when this was built, in that order. */
export function readTemplates(): readonly Template[] {
  return JSON.parse(readFileSync(new URL('./templates.json', import.meta.url), 'utf8')) as readonly Template[]
}

export function manifestOf(template: Template): Manifest {
  return JSON.parse(template.files['package.json'] as string) as Manifest
}

/** Frameworks that build first have a script for those who write: `dev`. */
export function startScript(template: Template): string {
  return 'dev' in manifestOf(template).scripts ? 'dev' : 'start'
}

/** The range of Node versions that a template needs, where `version` is not in it. */
export function missingNode(template: Template, version: string): string | undefined {
  const { node } = manifestOf(template).engines
  return satisfies(version, node) ? undefined : node
}
