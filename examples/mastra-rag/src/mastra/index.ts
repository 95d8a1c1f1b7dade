import { Mastra } from '@mastra/core'
import { InMemoryStore } from '@mastra/core/storage'
import { librarian } from './agents/librarian.ts'

// Mastra would tell its makers how it is used. Set it to 0 if you want that.
process.env['MASTRA_TELEMETRY_DISABLED'] ??= '1'

export const mastra = new Mastra({ agents: { librarian }, storage: new InMemoryStore() })
