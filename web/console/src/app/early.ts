import { useEffect, useRef } from 'react'

/** What was typed before there was a field for it: a text, and whether Enter came after it. */
export interface Typed {
  readonly text: string
  readonly enter: boolean
}

export interface Early {
  /** Takes the keys from now on. */
  begin(): void
  /** Gives them back, with what was typed. */
  end(): Typed
}

const most = 200

/** useEarly takes what is typed between the key that opens a field and the moment when the field has the focus, so that
 * it is neither lost nor a shortcut. Escape gives up. */
export function useEarly(onEscape: () => void): Early {
  const escape = useRef(onEscape)
  escape.current = onEscape
  const early = useRef<Early>(undefined)
  early.current ??= makeEarly(() => escape.current())
  useEffect(() => () => void early.current?.end(), [])
  return early.current
}

function makeEarly(onEscape: () => void): Early {
  let text = ''
  let enter = false
  const end = () => {
    window.removeEventListener('keydown', onKey, true)
    const typed = { text, enter }
    text = ''
    enter = false
    return typed
  }
  const onKey = (event: KeyboardEvent) => {
    const command = event.ctrlKey || event.metaKey || event.altKey
    if (event.isComposing || (command && !event.getModifierState('AltGraph'))) return
    if ([...event.key].length === 1) {
      if (!enter && text.length < most) text += event.key
    } else if (event.key === 'Backspace') text = [...text].slice(0, -1).join('')
    else if (event.key === 'Enter') enter = true
    else if (event.key === 'Escape') {
      end()
      onEscape()
    } else return
    event.preventDefault()
    event.stopImmediatePropagation()
  }
  return {
    begin: () => {
      end()
      window.addEventListener('keydown', onKey, true)
    },
    end,
  }
}
