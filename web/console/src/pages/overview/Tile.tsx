import type { ReactNode } from 'react'
import { Link } from 'react-router'
import type { Tone } from '@/shared/StatusBadge.tsx'
import classes from './overview.module.css'

/** Tile is one number with what it means; it leads to the list of what is counted. */
export function Tile(props: {
  name: string
  value: ReactNode
  text: string
  to: string
  tone?: Tone | undefined
}) {
  return (
    <Link to={props.to} className={`card ${classes['tile']}`} data-tone={props.tone}>
      <span className={classes['tileName']}>{props.name}</span>
      <span className={classes['tileValue']}>{props.value}</span>
      <span className={classes['tileText']}>{props.text}</span>
    </Link>
  )
}
