import { Button, Checkbox, Group, Menu, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useMay } from '@/api/session.ts'
import { useWords } from '@/i18n'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Icon } from '@/shared/Icon.tsx'
import { knownColumns, type ColumnId } from './prefs.ts'
import classes from './transactions.module.css'
import { useDeleteView, useSaveView, useViews, type SavedView } from './views.ts'
import { words, type Word } from './words.ts'

const usual: readonly (readonly [Word, string])[] = [
  ['viewStuck', 'stuck'],
  ['viewOld', 'live age>5m'],
  ['viewRollback', 'status:RollingBack'],
  ['viewHeuristic', 'heuristic'],
]

export interface ViewsMenuProps {
  text: string
  columns: readonly ColumnId[]
  /** The id of the view that is shown, if it is one. */
  current: string | undefined
  onShow: (text: string, columns: readonly ColumnId[] | undefined, view: string | undefined) => void
}

/** ViewsMenu leads to saved views, one's own and the shared ones, and saves what is shown. */
export function ViewsMenu({ text, columns, current, onShow }: ViewsMenuProps) {
  const t = useWords(words)
  const views = useViews()
  const remove = useDeleteView()
  const replace = useSaveView()
  const [saving, setSaving] = useState(false)
  const all = views.data?.items ?? []
  const shown = all.find((view) => view.id === current)
  const item = (view: SavedView) => (
    <Menu.Item
      key={view.id}
      aria-current={view.id === current || undefined}
      onClick={() => onShow(view.query, knownColumns(view.columns), view.id)}
      rightSection={view.id === current ? <Icon path="M3 8.5l3.5 3.5L13 5" size={12} /> : null}
    >
      <span className={classes['view']}>
        {view.name}
        {!view.own && (
          <Text span size="xs" c="dimmed">
            {t('byOwner', { owner: view.owner })}
          </Text>
        )}
      </span>
    </Menu.Item>
  )
  const own = all.filter((view) => view.own)
  const others = all.filter((view) => !view.own)
  return (
    <>
      <Menu withInitialFocusPlaceholder={false} width={280} position="bottom-end" shadow="md">
        <Menu.Target>
          <Button variant="default" size="xs" rightSection={<Icon path="M4 6l4 4 4-4" size={12} />}>
            {shown?.name ?? t('views')}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {own.length > 0 && <Menu.Label>{t('viewsOwn')}</Menu.Label>}
          {own.map(item)}
          {others.length > 0 && <Menu.Label>{t('viewsShared')}</Menu.Label>}
          {others.map(item)}
          <Menu.Label>{t('viewsUsual')}</Menu.Label>
          {usual.map(([word, query]) => (
            <Menu.Item key={word} onClick={() => onShow(query, undefined, undefined)}>
              {t(word)}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item onClick={() => setSaving(true)}>{t('saveView')}</Menu.Item>
          {shown?.own && (
            <>
              <Menu.Item
                onClick={() =>
                  replace.mutate({
                    id: shown.id,
                    name: shown.name,
                    query: text,
                    shared: shown.shared,
                    columns: shown.columns.length > 0 ? columns : [],
                  })
                }
              >
                {t('changeView', { name: shown.name })}
              </Menu.Item>
              <Menu.Item
                color="red"
                onClick={() =>
                  remove.mutate(shown.id, {
                    onSuccess: () => onShow(text, undefined, undefined),
                  })
                }
              >
                {t('deleteView', { name: shown.name })}
              </Menu.Item>
            </>
          )}
          {(views.error ?? remove.error ?? replace.error) && (
            <ErrorBox error={views.error ?? remove.error ?? replace.error} />
          )}
        </Menu.Dropdown>
      </Menu>
      {saving && (
        <SaveView
          text={text}
          columns={columns}
          onClose={() => setSaving(false)}
          onSaved={(view) => onShow(view.query, knownColumns(view.columns), view.id)}
        />
      )}
    </>
  )
}

function SaveView(props: {
  text: string
  columns: readonly ColumnId[]
  onClose: () => void
  onSaved: (view: SavedView) => void
}) {
  const t = useWords(words)
  const save = useSaveView()
  const mayShare = useMay('operator')
  const [name, setName] = useState('')
  const [shared, setShared] = useState(false)
  const [withColumns, setWithColumns] = useState(false)
  const send = () =>
    save.mutate(
      { name: name.trim(), query: props.text, columns: withColumns ? props.columns : [], shared },
      {
        onSuccess: (view) => {
          props.onSaved(view)
          props.onClose()
        },
      },
    )
  return (
    <Modal
      opened
      onClose={props.onClose}
      title={t('saveView')}
      transitionProps={{ duration: 0 }}
      closeButtonProps={{ 'aria-label': t('cancel') }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (name.trim()) send()
        }}
      >
        <Stack gap="sm">
          <Text size="sm" className="mono">
            {props.text || t('any')}
          </Text>
          <TextInput
            label={t('viewName')}
            value={name}
            maxLength={60}
            required
            data-autofocus
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Checkbox
            size="sm"
            label={t('viewColumns')}
            checked={withColumns}
            onChange={(event) => setWithColumns(event.currentTarget.checked)}
          />
          <Checkbox
            size="sm"
            label={t('viewShare')}
            description={mayShare ? undefined : t('viewShareHelp')}
            disabled={!mayShare}
            checked={shared}
            onChange={(event) => setShared(event.currentTarget.checked)}
          />
          {save.error && <ErrorBox error={save.error} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={props.onClose}>
              {t('cancel')}
            </Button>
            <Button type="submit" loading={save.isPending} disabled={!name.trim()}>
              {t('save')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
