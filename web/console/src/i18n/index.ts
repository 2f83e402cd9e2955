import { useSyncExternalStore } from 'react'

/** The languages of the console. Each page has its words in a file of its own, in all of them. */
export type Language = 'en' | 'zh'

const place = 'concord-language'

function chosen(): Language {
  const stored = readStored(place) ?? navigator.language
  return stored.startsWith('zh') ? 'zh' : 'en'
}

/** readStored reads what the browser keeps for this page; undefined if it keeps nothing or may not. */
export function readStored(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined
  } catch {
    return undefined
  }
}

/** writeStored has the browser keep something; it is a convenience, so it may fail in silence. */
export function writeStored(key: string, value: string): void {
  try {
    localStorage.setItem(key, value)
  } catch {
    // Private windows keep nothing.
  }
}

let current: Language = chosen()
const listeners = new Set<() => void>()

/** language returns the language that is shown now. */
export function language(): Language {
  return current
}

/** setLanguage changes the language of all that is shown, and remembers it. */
export function setLanguage(next: Language): void {
  current = next
  writeStored(place, next)
  document.documentElement.lang = next
  listeners.forEach((tell) => tell())
}

/** useLanguage returns the language, and renders again when it changes. */
export function useLanguage(): Language {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell)
      return () => listeners.delete(tell)
    },
    () => current,
  )
}

/** Words are texts by name in every language; the compiler sees to it that none is missing. */
export interface Words<Key extends string> {
  readonly en: Readonly<Record<Key, string>>
  readonly zh: Readonly<Record<Key, string>>
}

/** defineWords makes a page's dictionary. Texts may hold {name} for what is put in when they are shown. What {n} counts
 * has a text of its own for one where a name with 1 behind it is defined: rows, and rows1. */
export function defineWords<Key extends string>(
  en: Record<Key, string>,
  zh: Record<NoInfer<Key>, string>,
): Words<Key> {
  return { en, zh }
}

export type Say<Key extends string> = (key: Key, values?: Record<string, string | number>) => string

/** say returns a text of a dictionary in the current language. */
export function say<Key extends string>(
  words: Words<Key>,
  key: Key,
  values?: Record<string, string | number>,
): string {
  return textOf(words[current], key, values)
}

function textOf<Key extends string>(
  texts: Readonly<Record<Key, string>>,
  key: Key,
  values?: Record<string, string | number>,
): string {
  const one: string | undefined = String(values?.['n']) === '1' ? texts[`${key}1` as Key] : undefined
  return fill(one ?? texts[key], values)
}

function fill(text: string, values?: Record<string, string | number>): string {
  return values ? text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole)) : text
}

/** useWords returns how to say the texts of a dictionary in the current language. */
export function useWords<Key extends string>(words: Words<Key>): Say<Key> {
  const which = useLanguage()
  return (key, values) => textOf(words[which], key, values)
}
