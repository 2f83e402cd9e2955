import { lazy, Suspense, useEffect, useState, type ComponentType, type ReactNode } from 'react'
import { useEarly, type Early } from './early.ts'

const Help = lazy(() => import('./Help.tsx'))

type View = ComponentType<{ onClose: () => void; early: Early }>
type Load = () => Promise<{ default: View }>

interface Overlay {
  readonly openPalette: () => void
  readonly togglePalette: () => void
  readonly openHelp: () => void
  /** What is open. */
  readonly element: ReactNode
}

const loadPalette: Load = () => import('./Palette.tsx')

/** useOverlay opens the palette and the help over any page. What is typed right after the palette was asked for is for
 * the palette, also while its code is on its way. */
export function useOverlay(load: Load = loadPalette): Overlay {
  const [open, setOpen] = useState<'palette' | 'help' | undefined>()
  const close = () => {
    early.end()
    setOpen(undefined)
  }
  const early = useEarly(close)
  const Palette = useLoaded(load, open === 'palette')
  const openPalette = () => {
    early.begin()
    setOpen('palette')
  }
  return {
    openPalette,
    togglePalette: open === 'palette' ? close : openPalette,
    openHelp: () => {
      early.end()
      setOpen('help')
    },
    element: (
      <>
        {open === 'palette' && Palette && <Palette onClose={close} early={early} />}
        <Suspense>{open === 'help' && <Help onClose={close} />}</Suspense>
      </>
    ),
  }
}

/** useLoaded returns code that is fetched when it is wanted for the first time. Unlike lazy it is there at once from
 * then on, so that a field in it has the focus before the next key. */
function useLoaded(load: Load, wanted: boolean): View | undefined {
  const [state, setState] = useState<{ view?: View; error?: unknown }>({})
  const missing = wanted && !state.view
  useEffect(() => {
    if (!missing) return
    let gone = false
    load().then(
      (it) => gone || setState({ view: it.default }),
      (error: unknown) => gone || setState({ error }),
    )
    return () => void (gone = true)
  }, [missing, load])
  if (state.error) throw state.error
  return state.view
}
