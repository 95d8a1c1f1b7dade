// The template's own test, with the packages of this workspace. `npm run test:templates` installs it as people do.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

it('passes its own test', () => {
  const cwd = fileURLToPath(new URL('../../examples/llamaindex-chat', import.meta.url))
  const args = ['--import', 'tsx', '--test', '--test-timeout=120000', 'test/chat.test.ts']
  expect(execFileSync(process.execPath, args, { cwd, encoding: 'utf8' })).toMatch(/^# pass 3$/m)
}, 240_000)
