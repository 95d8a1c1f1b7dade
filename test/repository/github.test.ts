// What GitHub reads: every file parses, what the workflows run exists, and they run on what `engines` promises.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parseDocument } from 'yaml'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readText = (path: string) => readFileSync(join(root, path), 'utf8')
const readYaml = (path: string) => {
  const document = parseDocument(readText(path), { prettyErrors: true })
  expect([...document.errors, ...document.warnings].map(({ message }) => message)).toEqual([])
  return document.toJS()
}
const files = readdirSync(join(root, '.github'), { recursive: true, encoding: 'utf8' })
  .map((path) => `.github/${path.replaceAll('\\', '/')}`)
  .filter((path) => /\.ya?ml$/.test(path))
const manifest = JSON.parse(readText('package.json'))
const repository = manifest.repository.url.replace(/^git\+https:\/\/github\.com\/|\.git$/g, '')

interface Step {
  uses?: string
  run?: string
  with?: Record<string, string>
}
interface Job {
  'runs-on': string
  'timeout-minutes'?: number
  if?: string
  permissions?: Record<string, string>
  strategy?: { matrix: Record<string, string[]> }
  steps: Step[]
}
interface Workflow {
  permissions?: Record<string, string>
  env?: Record<string, string>
  jobs: Record<string, Job>
}
const workflows = Object.fromEntries(
  files
    .filter((path) => path.startsWith('.github/workflows/'))
    .map((path) => [path.split('/').at(-1)!, readYaml(path) as Workflow]),
)
const stepsOf = ({ jobs }: Workflow) => Object.values(jobs).flatMap(({ steps }) => steps)
/** Commands, also those that an action is given to run. */
const commandsOf = (workflow: Workflow) =>
  stepsOf(workflow)
    .flatMap(({ run, with: inputs }) => [run, inputs?.version, inputs?.publish])
    .flatMap((command) => command?.split('\n') ?? [])

/** Why a command of a workflow, or of a script in package.json, cannot run here. */
function faultOf(command: string): string | undefined {
  const [program, ...args] = command.trim().split(/\s+/)
  const missingPath = args.find(
    (arg) => /^[\w.]+\//.test(arg) && !arg.startsWith('origin/') && !existsSync(join(root, arg)),
  )
  if (missingPath !== undefined) return `${missingPath} is not there`
  if (program === 'npm') {
    const script = args[0] === 'run' ? args.find((arg, i) => i > 0 && !arg.startsWith('-')) : args[0]
    return manifest.scripts[script!] === undefined ? `package.json has no script ${script}` : undefined
  }
  if (program === 'npx' || manifest.devDependencies[program!] !== undefined || /^(tsc|changeset)$/.test(program!)) {
    const name = program === 'npx' ? args[0]! : program!
    return existsSync(join(root, 'node_modules/.bin', name)) ? undefined : `${name} is not installed`
  }
  // A package of the machine that GitHub lends.
  if (/^sudo apt-get install --yes [\w-]+$/.test(command.trim())) return undefined
  return ['node', 'pnpm'].includes(program!) ? undefined : `${program} is not known`
}

it.each(files)('%s is valid YAML', (path) => {
  expect(readYaml(path)).toEqual(expect.any(Object))
})

describe.each(Object.entries(workflows))('%s', (_, workflow) => {
  it('runs what exists', () => {
    const commands = commandsOf(workflow)
    expect(commands).not.toEqual([])
    expect(commands.map((command) => faultOf(command)).filter((fault) => fault !== undefined)).toEqual([])
  })

  it('pins each action, limits each job, and takes no more rights than it names', () => {
    const actions = stepsOf(workflow).flatMap(({ uses }) => uses ?? [])
    expect(actions.filter((uses) => !/^[\w-]+\/[\w-]+@(v\d+(\.\d+)*|[0-9a-f]{40})$/.test(uses))).toEqual([])
    expect(Object.values(workflow.jobs).filter((job) => job['timeout-minutes'] === undefined)).toEqual([])
    expect(Object.values(workflow.permissions!).filter((right) => right !== 'read')).toEqual([])
  })

  it('installs pnpm before Node looks for it, and no CUDA files', () => {
    for (const { steps } of Object.values(workflow.jobs)) {
      const order = steps.map(({ uses }) => uses?.replace(/@.*/, ''))
      expect(order.slice(0, 3)).toEqual(['actions/checkout', 'pnpm/action-setup', 'actions/setup-node'])
    }
    expect(workflow.env).toMatchObject({ ONNXRUNTIME_NODE_INSTALL: 'skip' })
  })
})

it('a command that does not exist would be found', () => {
  expect(faultOf('npm run tpyecheck')).toBe('package.json has no script tpyecheck')
  expect(faultOf('npx no-such-program')).toBe('no-such-program is not installed')
  expect(faultOf('npx vitest run test/no-such-folder')).toBe('test/no-such-folder is not there')
  expect(faultOf('make')).toBe('make is not known')
})

it('the scripts of package.json run what exists', () => {
  const commands = Object.values<string>(manifest.scripts).flatMap((script) => script.split('&&'))
  expect(commands.map((command) => faultOf(command)).filter((fault) => fault !== undefined)).toEqual([])
})

describe('CI', () => {
  const { jobs } = workflows['ci.yml']!
  const { os, node } = jobs.test!.strategy!.matrix

  it('tests on three systems, from the oldest Node that `engines` allows to the newest long-term one', () => {
    expect(os!.map((name) => name.replace(/-latest$/, ''))).toEqual(['ubuntu', 'macos', 'windows'])
    expect(node!.map((version) => version.split('.')[0])).toEqual(['20', '22', '24'])
    const folders = readdirSync(join(root, 'packages')).map((name) => `packages/${name}`)
    for (const folder of ['.', ...folders]) {
      expect(JSON.parse(readText(`${folder}/package.json`)).engines.node, folder).toBe(`>=${node![0]}`)
    }
  })

  it('does all that .ci/run does', () => {
    const local = [...readText('.ci/run').matchAll(/^npm .*$/gm)].map(([command]) => command.replace(' --silent', ''))
    expect(local).toHaveLength(4)
    expect(commandsOf(workflows['ci.yml']!)).toEqual(expect.arrayContaining(local))
  })
})

it('a release is published from this repository alone, signed, after the tests', () => {
  const { release } = workflows['release.yml']!.jobs
  expect(release!.if).toBe(`github.repository == '${repository}'`)
  expect(release!.permissions).toEqual({ contents: 'write', 'pull-requests': 'write', 'id-token': 'write' })
  const commands = commandsOf(workflows['release.yml']!)
  expect(commands).toEqual(['npm test', 'npm run version-packages', 'npm run release'])
  // npm publishes by OIDC from 11.5.1 on, which comes with Node 24.
  expect(release!.steps.find(({ uses }) => uses?.startsWith('actions/setup-node'))!.with!['node-version']).toBe('24')
})

describe('issue forms', () => {
  const forms = files.filter((path) => path.includes('ISSUE_TEMPLATE') && !path.endsWith('config.yml'))
  interface Field {
    type: string
    id: string
    attributes: { label: string; description?: string }
    validations?: { required: boolean }
  }
  const fieldsOf = (path: string) => (readYaml(path) as { body: Field[] }).body

  it.each(forms)('%s is a form', (path) => {
    expect(readYaml(path)).toMatchObject({ name: expect.any(String), description: expect.any(String) })
    const fields = fieldsOf(path)
    expect(fields.filter(({ type }) => !['input', 'textarea', 'dropdown', 'checkboxes'].includes(type))).toEqual([])
    expect(fields.filter(({ attributes }) => !attributes.label)).toEqual([])
    expect(new Set(fields.map(({ id }) => id)).size).toBe(fields.length)
  })

  it('a bug comes with what it takes to see it: inspect, versions, platform', () => {
    const required = fieldsOf('.github/ISSUE_TEMPLATE/bug.yml').filter(({ validations }) => validations?.required)
    expect(required.map(({ id }) => id)).toEqual(expect.arrayContaining(['inspect', 'version', 'node', 'platform']))
  })
})

it('Dependabot leaves alone what is there to be old', () => {
  const { updates } = readYaml('.github/dependabot.yml') as { updates: { ignore?: { 'dependency-name': string }[] }[] }
  const ignored = updates.flatMap(({ ignore = [] }) => ignore.map((entry) => entry['dependency-name']))
  const old = Object.keys(manifest.devDependencies).filter((name) => name.endsWith('-oldest'))
  expect(ignored.filter((name) => manifest.devDependencies[name] === undefined)).toEqual([])
  expect(ignored).toEqual(expect.arrayContaining(old))
})

it.each(['CONTRIBUTING.md', 'SECURITY.md', 'CODE_OF_CONDUCT.md', '.github/pull_request_template.md'])(
  '%s links and commands lead somewhere',
  (path) => {
    const text = readText(path)
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link!)
    const local = links.filter((link) => !link.startsWith('https://'))
    expect(local.filter((link) => !existsSync(join(root, dirname(path), link)))).toEqual([])
    const here = links.filter((link) => link.startsWith('https://github.com/'))
    expect(here.filter((link) => !link.startsWith(`https://github.com/${repository}/`))).toEqual([])
    const commands = [...text.matchAll(/\bnpm (?:test|run [\w:-]+)/g)].map(([command]) => command)
    expect(commands.map((command) => faultOf(command)).filter((fault) => fault !== undefined)).toEqual([])
  },
)
