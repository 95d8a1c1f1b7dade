#!/usr/bin/env node
import { run } from './program.js'

// `serotine … | head` closes our output early: that is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})
process.stderr.on('error', () => {})

void run(process.argv.slice(2)).then((code) => {
  process.exitCode = code
})
