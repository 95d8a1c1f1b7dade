import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium } from 'playwright-core'
import type { Browser } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome', 'msedge']
const PLACES = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
]

/** A Chromium of this machine: what CHROME_PATH names, on the path, or where installers put it. */
export function findChromium(): string | undefined {
  const named = process.env['CHROME_PATH']
  if (named) {
    // Somebody meant it: tests that are left out without a word would hide the slip.
    if (!existsSync(named)) throw new Error(`CHROME_PATH names ${named}, which is not there.`)
    return named
  }
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean)
  const onPath = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)))
  return [...onPath, ...PLACES].find((path) => existsSync(path))
}

/** Undefined, and said aloud, where there is none: tests in a browser are skipped then. */
export const chromiumPath = findChromium()
if (chromiumPath === undefined) {
  console.warn('\nNO CHROMIUM HERE: TESTS IN A BROWSER ARE SKIPPED. Install one, or set CHROME_PATH.\n')
}

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath!,
    // Root, as in containers, has no sandbox.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  })
}
