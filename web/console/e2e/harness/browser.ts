import { mkdtempSync } from 'node:fs'
import { accessSync, constants } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import type { Role, Server } from './server.ts'
import { patience, pause } from './until.ts'
import { noises, watch } from './watch.ts'

export type Theme = 'dark' | 'light'
export type Language = 'en' | 'zh'

/** How a page is opened. */
export interface View {
  theme?: Theme
  lang?: Language
  width?: number
  height?: number
  /** True unless a test is about motion. */
  reducedMotion?: boolean
}

let running: Promise<Browser> | undefined
let opened: { page: Page; context: BrowserContext }[] = []

/** The browser of this file's tests. */
export function browser(): Promise<Browser> {
  running ??= chromium.launch({
    executablePath: executable('chromium'),
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--force-color-profile=srgb'],
  })
  return running
}

/** executable finds a program by PATH. */
function executable(name: string): string {
  for (const dir of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(dir, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      continue
    }
  }
  throw new Error(`${name} is missing: .ci/parts/chromium.sh install`)
}

/** Opens a blank page that is signed in as a role, watched, and closed at the end of the test. */
export async function openPage(server: Server, role: Role | undefined, view: View): Promise<Page> {
  const context = await (
    await browser()
  ).newContext({
    baseURL: server.base,
    viewport: { width: view.width ?? 1440, height: view.height ?? 900 },
    colorScheme: view.theme ?? 'dark',
    locale: view.lang === 'zh' ? 'zh-CN' : 'en-GB',
    timezoneId: 'Europe/Berlin',
    reducedMotion: view.reducedMotion === false ? 'no-preference' : 'reduce',
    acceptDownloads: true,
  })
  const page = await context.newPage()
  opened.push({ page, context })
  page.setDefaultTimeout(patience)
  if (role !== undefined) {
    await signIn(context, server, role)
  }
  await watch(page, server.base)
  await slowDown(context)
  return page
}

/** slowDown has each answer of the API come SLOW milliseconds later than it does. */
async function slowDown(context: BrowserContext): Promise<void> {
  const late = Number(process.env['SLOW'] ?? '0')
  if (late > 0) {
    await context.route(/\/api\/v1\//, async (route) => {
      await pause(late)
      await route.fallback().catch(() => undefined) // the page may be closed by now
    })
  }
}

/** Signs a context in by the key of a role. */
async function signIn(context: BrowserContext, server: Server, role: Role): Promise<void> {
  if (server.dev) {
    throw new Error(`a server for development knows no roles: { server: await secured(), role: '${role}' }`)
  }
  const answer = await context.request.post(`${server.base}/auth/session`, { data: { key: server.key(role) } })
  if (!answer.ok()) {
    throw new Error(`sign in as ${role}: ${answer.status()} ${await answer.text()}`)
  }
}

/** Closes what a test has opened. What pages did that they should not is given back, and pictures if it has failed. */
export async function closePages(failed: boolean): Promise<string[]> {
  const wrong: string[] = []
  const pages = opened
  opened = []
  for (const { page, context } of pages) {
    if (failed && !page.isClosed()) {
      wrong.push(`at the end: ${page.url()}, ${await picture(page)}`)
    }
    await context.close()
    wrong.push(...noises(page).map((one) => `${one.kind}: ${one.text}`))
  }
  return wrong
}

/** picture takes one for whoever looks why a test has failed. */
async function picture(page: Page): Promise<string> {
  const path = join(mkdtempSync(join(tmpdir(), 'concord-e2e-failed-')), 'page.png')
  try {
    await page.screenshot({ path, timeout: 5_000 })
    return path
  } catch (wrong) {
    return `no picture: ${String(wrong).split('\n')[0] ?? ''}`
  }
}

/** Ends the browser. */
export async function closeBrowser(): Promise<void> {
  const one = running
  running = undefined
  await (await one)?.close()
}
