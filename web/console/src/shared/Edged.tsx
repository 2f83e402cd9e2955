import { useEffect, useRef, type ReactNode, type RefObject } from 'react'
import classes from './DataTable.module.css'
import { edgesOf } from './edges.ts'

/** Edged is what scrolls, with a shadow at each side at which there is more to see. */
export function Edged(props: {
  scroller: RefObject<HTMLDivElement | null>
  height: string | undefined
  children: ReactNode
}) {
  const { scroller } = props
  const frame = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const element = scroller.current
    if (!element) return
    const look = () => {
      const { left, right } = edgesOf(element)
      frame.current?.toggleAttribute('data-more-left', left)
      frame.current?.toggleAttribute('data-more-right', right)
    }
    look()
    const sizes = new ResizeObserver(look)
    sizes.observe(element)
    if (element.firstElementChild) sizes.observe(element.firstElementChild)
    element.addEventListener('scroll', look, { passive: true })
    return () => {
      sizes.disconnect()
      element.removeEventListener('scroll', look)
    }
  }, [scroller])
  return (
    <div ref={frame} className={classes['frame']}>
      <div
        ref={scroller}
        className={classes['scroller']}
        style={props.height ? { height: props.height } : undefined}
      >
        {props.children}
      </div>
    </div>
  )
}
