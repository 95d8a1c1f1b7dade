// The server's page in a browser, with everything noted that must not happen.
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'

export interface OpenPage {
  readonly page: Page
  /** Errors of scripts and on the console, violations of the policy, dialogs, requests to elsewhere. Failed requests of the API are on the console, too. */
  readonly faults: string[]
  close(): Promise<void>
}

export async function openPage(
  browser: Browser,
  url: string,
  { hash = '', ...options }: BrowserContextOptions & { hash?: string } = {},
): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  const page = await context.newPage()
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(`console: ${message.text()}`)
  })
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) faults.push(`request: ${request.url()}`)
  })
  await page.exposeFunction('noteFault', (fault: string) => faults.push(fault))
  await page.addInitScript({
    content: `document.addEventListener('securitypolicyviolation', (event) =>
      noteFault('policy: ' + event.violatedDirective + ' ' + event.sourceFile))`,
  })
  await page.goto(hash ? new URL(hash, url).href : url)
  return { page, faults, close: () => context.close() }
}

/** Asks and waits until the words of the hits are lit, or there is nothing to light. */
export async function askPage(page: Page, query: string): Promise<void> {
  await page.locator('#options').waitFor()
  await page.getByLabel('What to ask').fill(query)
  await page.keyboard.press('Enter')
  await page.locator('.hits:not([aria-busy])').waitFor({ state: 'attached' })
  await page.locator('.hit').first().waitFor()
}

export const titles = (page: Page): Promise<string[]> => page.locator('.hit .title').allTextContents()

/** The id of what has the focus. */
export const focused = (page: Page): Promise<string> => page.evaluate<string>('document.activeElement.id')
