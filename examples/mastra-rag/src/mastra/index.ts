import { Mastra } from '@mastra/core'
import { InMemoryStore } from '@mastra/core/storage'
import { librarian } from './agents/librarian.ts'

export const mastra = new Mastra({ agents: { librarian }, storage: new InMemoryStore() })
