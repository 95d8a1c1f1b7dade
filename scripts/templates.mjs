// Makes a project of every template as a stranger does, installs it from the registry and runs its own tests. Takes minutes.
import { startVitest } from 'vitest/node'

process.env.SEROTINE_TEST_TEMPLATES ??= 'all'
await startVitest('test', ['test/create-serotine/templates.test.ts'], { watch: false, reporters: ['verbose'] })
