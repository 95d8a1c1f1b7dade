#!/usr/bin/env node
// A file that is there before anything is built, so that a clone can link the command when it installs.
import '../dist/cli.js'
