// Three Weaviate servers that are one cluster.
import { up as start } from './weaviate.mjs'

export const up = (options) => start({ ...options, nodes: 3 })
