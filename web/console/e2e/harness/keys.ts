import type { Page } from 'playwright-core'

/** The element that has the focus, as a person with a screen reader knows it. */
export interface Focus {
  role: string
  name: string
  /** The text of it, shortened. */
  text: string
}

/** The keyboard of a page. Use it for tests in which nobody touches a mouse. */
export class Keys {
  constructor(private readonly page: Page) {}

  /** Presses keys one after the other: `press('g', 't')`, `press('Shift+Tab')`. */
  async press(...keys: string[]): Promise<void> {
    for (const key of keys) {
      await this.page.keyboard.press(key)
    }
  }

  /** Types a text into what has the focus. */
  async type(text: string): Promise<void> {
    await this.page.keyboard.type(text)
  }

  /** What has the focus. */
  focus(): Promise<Focus> {
    return this.page.evaluate(() => {
      const e = document.activeElement ?? document.body
      const byIds = (ids: string): string =>
        ids
          .split(/\s+/)
          .map((id) => document.getElementById(id)?.textContent ?? '')
          .join(' ')
      const labels = (e as HTMLInputElement).labels
      const words = [
        e.getAttribute('aria-label'),
        byIds(e.getAttribute('aria-labelledby') ?? ''),
        labels !== null && labels !== undefined
          ? [...labels].map((one) => one.textContent ?? '').join(' ')
          : '',
        e.tagName === 'BODY' ? '' : e.textContent,
        e.getAttribute('title'),
        e.getAttribute('placeholder'),
      ]
      const native: Record<string, string> = {
        a: 'link',
        button: 'button',
        input: 'textbox',
        textarea: 'textbox',
        select: 'combobox',
      }
      const tag = e.tagName.toLowerCase()
      const name =
        words.map((one) => (one ?? '').replaceAll(/\s+/g, ' ').trim()).find((one) => one !== '') ?? ''
      return {
        role: e.getAttribute('role') ?? native[tag] ?? tag,
        name,
        text: (e.textContent ?? '').replaceAll(/\s+/g, ' ').trim().slice(0, 80),
      }
    })
  }

  /** Goes on by Tab (or another key) until what has the focus has this name; gives up after `atMost`. */
  async to(name: string | RegExp, options: { key?: string; atMost?: number } = {}): Promise<Focus> {
    const passed: string[] = []
    for (let n = 0; n <= (options.atMost ?? 80); n++) {
      const now = await this.focus()
      if (typeof name === 'string' ? now.name === name : name.test(now.name)) {
        return now
      }
      passed.push(`${now.role} "${now.name.slice(0, 40)}"`)
      await this.page.keyboard.press(options.key ?? 'Tab')
    }
    throw new Error(`the keyboard does not come to ${String(name)}; it came by: ${passed.join(', ')}`)
  }

  /** Whether what has the focus shows it: an outline, a shadow or a border that it does not have otherwise. */
  visible(): Promise<boolean> {
    return this.page.evaluate(() => {
      const e = document.activeElement
      if (e === null || e === document.body) {
        return false
      }
      const style = getComputedStyle(e)
      return (style.outlineStyle !== 'none' && style.outlineWidth !== '0px') || style.boxShadow !== 'none'
    })
  }
}
