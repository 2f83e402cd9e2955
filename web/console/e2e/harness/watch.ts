import type { Page } from 'playwright-core'

/** Something that a page does and should not. */
export interface Noise {
  kind: 'console' | 'error' | 'policy' | 'origin'
  text: string
}

const ears = new WeakMap<Page, Ear>()

interface Ear {
  noises: Noise[]
  allowed: RegExp[]
}

/** Begins to record what a page logs, which errors it has, what its policy blocks, and whom else it asks. */
export async function watch(page: Page, origin: string): Promise<void> {
  const ear: Ear = { noises: [], allowed: [] }
  ears.set(page, ear)
  const note = (kind: Noise['kind'], text: string): void => {
    ear.noises.push({ kind, text })
  }
  page.on('console', (message) => {
    note('console', `${message.type()}: ${message.text()} (${message.location().url})`)
  })
  page.on('pageerror', (wrong) => {
    note('error', wrong.stack ?? wrong.message)
  })
  page.context().on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(`${origin}/`) && !url.startsWith('about:') && !url.startsWith(`blob:${origin}/`)) {
      note('origin', url.slice(0, 300))
    }
  })
  page.on('websocket', (socket) => {
    note('origin', socket.url())
  })
  await page.exposeBinding('concordPolicy', (_source, text: string) => {
    note('policy', text)
  })
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      const tell = (globalThis as unknown as { concordPolicy: (text: string) => void }).concordPolicy
      tell(
        `${event.effectiveDirective} ${event.blockedURI} at ${event.sourceFile}:${event.lineNumber} ${event.sample}`,
      )
    })
  })
}

/**
 * Says that a page may do this once or more, because the test has it happen: a refused request, for instance, which
 * the browser logs by itself.
 */
export function expectNoise(page: Page, ...patterns: RegExp[]): void {
  ears.get(page)?.allowed.push(...patterns)
}

/** What a page did and should not, without what was expected. */
export function noises(page: Page): Noise[] {
  const ear = ears.get(page)
  if (ear === undefined) {
    return []
  }
  return ear.noises.filter((one) => !ear.allowed.some((pattern) => pattern.test(one.text)))
}
