import classes from './Panes.module.css'

/** JsonLine is a value in one line under its name. */
export function JsonLine({ label, value }: { label: string; value: unknown }) {
  return (
    <p className={classes['jsonLine']}>
      <span className="dim">{label}</span> <code>{JSON.stringify(value)}</code>
    </p>
  )
}
