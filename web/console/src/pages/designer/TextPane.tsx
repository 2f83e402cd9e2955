import { useEffect, useRef } from 'react'
import classes from './Designer.module.css'
import type { Desk } from './desk.ts'

/** TextPane shows the text of a desk, to be edited. */
export function TextPane({ desk }: { desk: Desk }) {
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => (box.current ? desk.attach(box.current) : undefined), [desk])
  return <div ref={box} className={classes['editor']} />
}
