import type { NextConfig } from 'next'

export default {
  // They load native code and files of their own: left as they are in node_modules, not bundled.
  serverExternalPackages: ['@serotine/core', '@serotine/model-micro', 'hnswlib-node', 'serotine'],
  // What is read at run time goes along when the server is deployed without this folder.
  outputFileTracingIncludes: { '/api/**': ['./documents/**'] },
} satisfies NextConfig
