import { useEffect, useRef } from 'react'

/** typing says whether keys belong to what has the focus, so that they are no shortcuts. */
export function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return (
    target.isContentEditable ||
    /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) ||
    !!target.closest('.cm-editor')
  )
}

/** overlaid says whether a dialog or menu is open, which has the keys for itself. */
export function overlaid(): boolean {
  return document.querySelector('[role="dialog"], [role="menu"], [role="listbox"]') !== null
}

export type Shortcuts = Readonly<Record<string, (event: KeyboardEvent) => void>>

/** useShortcuts has keys do something while the component is shown. Names are those of KeyboardEvent.key, with "mod+"
 * before them for Control or Command, or two keys after one another, as "g t". */
export function useShortcuts(shortcuts: Shortcuts): void {
  const latest = useRef(shortcuts)
  latest.current = shortcuts
  useEffect(() => {
    let first = ''
    let forget: ReturnType<typeof setTimeout> | undefined
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing || event.altKey) return
      const mod = event.ctrlKey || event.metaKey
      if (!mod && (typing(event.target) || overlaid())) return
      const name = mod ? `mod+${event.key.toLowerCase()}` : event.key
      const pair = first && !mod ? `${first} ${name}` : ''
      const act = (pair && latest.current[pair]) || latest.current[name]
      first = ''
      clearTimeout(forget)
      if (act) {
        event.preventDefault()
        act(event)
      } else if (!mod && Object.keys(latest.current).some((key) => key.startsWith(`${name} `))) {
        first = name
        forget = setTimeout(() => (first = ''), 1200)
      }
    }
    document.addEventListener('keydown', onKey)
    return () => {
      clearTimeout(forget)
      document.removeEventListener('keydown', onKey)
    }
  }, [])
}
