"""What keeps a detector of mmdet from running, fixed where it is used."""


def fix_ssd_head() -> None:
    """Let mmdet's SSD head predict; again does nothing.

    Since mmdet 3.2 the prediction of all dense heads asks for ``loss_cls``, which
    this one has never had: its loss is a function (mmdetection #11063, #11780). None
    says that there is no such module. A head that has one keeps it, and a head that
    was built before is fixed, too.
    """
    from mmdet.models.dense_heads import SSDHead

    if '__getattr__' in vars(SSDHead):
        return

    def getattr_(self, name: str):
        try:
            return super(SSDHead, self).__getattr__(name)
        except AttributeError:
            if name == 'loss_cls':
                return None
            raise

    SSDHead.__getattr__ = getattr_
