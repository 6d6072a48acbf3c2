"""mmdet's detectors at a size for 64 x 64 images, one per operator of mmcv.

DETECTORS: config, and the layers that only the gradient of that operator reaches.
"""

NUM_CLASSES = 3
DATA = dict(
    type='DetDataPreprocessor', mean=[127.0] * 3, std=[64.0] * 3, pad_size_divisor=32
)
BACKBONE = dict(type='ResNet', depth=18, norm_eval=False)
NECK = dict(type='FPN', in_channels=[64, 128, 256, 512], out_channels=8, num_outs=5)
BBOX_CODER = dict(type='DeltaXYWHBBoxCoder')
ASSIGNER = dict(
    type='MaxIoUAssigner',
    pos_iou_thr=0.5,
    neg_iou_thr=0.4,
    min_pos_iou=0,
    ignore_iof_thr=-1,
)
RETINANET = dict(
    type='RetinaNet',
    data_preprocessor=DATA,
    backbone=BACKBONE,
    neck=NECK,
    bbox_head=dict(
        type='RetinaHead',
        num_classes=NUM_CLASSES,
        in_channels=8,
        feat_channels=8,
        stacked_convs=1,
        bbox_coder=BBOX_CODER,
    ),
    train_cfg=dict(
        assigner=ASSIGNER,
        sampler=dict(type='PseudoSampler'),
        allowed_border=-1,
        pos_weight=-1,
    ),
    test_cfg=dict(
        nms_pre=100,
        min_bbox_size=0,
        score_thr=0.0,
        nms=dict(type='nms', iou_threshold=0.5),
        max_per_img=7,
    ),
)
FASTER_RCNN = dict(
    type='FasterRCNN',
    data_preprocessor=DATA,
    backbone=BACKBONE,
    neck=NECK,
    rpn_head=dict(
        type='RPNHead',
        in_channels=8,
        feat_channels=8,
        anchor_generator=dict(
            type='AnchorGenerator',
            scales=[4],
            ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64],
        ),
        bbox_coder=BBOX_CODER,
    ),
    roi_head=dict(
        type='StandardRoIHead',
        bbox_roi_extractor=dict(
            type='SingleRoIExtractor',
            out_channels=8,
            roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
            featmap_strides=[4, 8, 16, 32],
        ),
        bbox_head=dict(
            type='Shared2FCBBoxHead',
            in_channels=8,
            fc_out_channels=16,
            num_classes=NUM_CLASSES,
            bbox_coder=BBOX_CODER,
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=ASSIGNER,
            allowed_border=-1,
            pos_weight=-1,
            sampler=dict(
                type='RandomSampler',
                num=32,
                pos_fraction=0.5,
                neg_pos_ub=-1,
                add_gt_as_proposals=False,
            ),
        ),
        rpn_proposal=dict(
            nms_pre=50,
            max_per_img=20,
            min_bbox_size=0,
            nms=dict(type='nms', iou_threshold=0.7),
        ),
        rcnn=dict(
            assigner=ASSIGNER,
            pos_weight=-1,
            sampler=dict(
                type='RandomSampler',
                num=16,
                pos_fraction=0.5,
                neg_pos_ub=-1,
                add_gt_as_proposals=True,
            ),
        ),
    ),
    test_cfg=dict(
        rpn=dict(
            nms_pre=50,
            max_per_img=20,
            min_bbox_size=0,
            nms=dict(type='nms', iou_threshold=0.7),
        ),
        rcnn=dict(
            score_thr=0.0, max_per_img=7, nms=dict(type='soft_nms', iou_threshold=0.5)
        ),
    ),
)

# DyHead's convolutions get the offsets of a larger map
DYHEAD = dict(
    type='ATSS',
    data_preprocessor=DATA,
    backbone=BACKBONE,
    neck=[
        dict(
            type='FPN',
            in_channels=[64, 128, 256, 512],
            out_channels=16,
            start_level=1,
            add_extra_convs='on_output',
            num_outs=5,
        ),
        dict(type='DyHead', in_channels=16, out_channels=16, num_blocks=2),
    ],
    bbox_head=dict(
        type='ATSSHead',
        num_classes=NUM_CLASSES,
        in_channels=16,
        feat_channels=16,
        stacked_convs=0,
        anchor_generator=dict(
            type='AnchorGenerator',
            ratios=[1.0],
            octave_base_scale=8,
            scales_per_octave=1,
            strides=[8, 16, 32, 64, 128],
        ),
        bbox_coder=BBOX_CODER,
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
    ),
    train_cfg=dict(
        assigner=dict(type='ATSSAssigner', topk=9), allowed_border=-1, pos_weight=-1
    ),
    test_cfg=RETINANET['test_cfg'],
)
CARAFE = dict(
    RETINANET,
    neck=dict(
        type='FPN_CARAFE',
        in_channels=[64, 128, 256, 512],
        out_channels=8,
        num_outs=5,
        upsample_cfg=dict(
            type='carafe',
            up_kernel=5,
            up_group=1,
            encoder_kernel=3,
            encoder_dilation=1,
            compressed_channels=8,
        ),
    ),
)
# a deformable convolution, and masked ones when it predicts
GUIDED_ANCHORING = dict(
    RETINANET,
    bbox_head=dict(
        type='GARetinaHead',
        num_classes=NUM_CLASSES,
        in_channels=8,
        feat_channels=8,
        stacked_convs=1,
        approx_anchor_generator=dict(
            type='AnchorGenerator',
            octave_base_scale=4,
            scales_per_octave=3,
            ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64],
        ),
        square_anchor_generator=dict(
            type='AnchorGenerator',
            ratios=[1.0],
            scales=[4],
            strides=[4, 8, 16, 32, 64],
        ),
        anchor_coder=BBOX_CODER,
        bbox_coder=BBOX_CODER,
    ),
    train_cfg=dict(
        RETINANET['train_cfg'],
        ga_assigner=dict(ASSIGNER, type='ApproxMaxIoUAssigner', min_pos_iou=0.4),
        ga_sampler=dict(
            type='RandomSampler',
            num=64,
            pos_fraction=0.5,
            neg_pos_ub=-1,
            add_gt_as_proposals=False,
        ),
        center_ratio=0.2,
        ignore_ratio=0.5,
    ),
)
ATTENTION = dict(embed_dims=16, num_heads=2, batch_first=True)
FFN = dict(embed_dims=16, feedforward_channels=16)
DETR = dict(
    type='DETR',
    num_queries=5,
    data_preprocessor=DATA,
    backbone=dict(type='ResNet', depth=18, out_indices=(3,)),
    neck=dict(
        type='ChannelMapper',
        in_channels=[512],
        kernel_size=1,
        out_channels=16,
        num_outs=1,
    ),
    encoder=dict(num_layers=1, layer_cfg=dict(self_attn_cfg=ATTENTION, ffn_cfg=FFN)),
    decoder=dict(
        num_layers=1,
        layer_cfg=dict(self_attn_cfg=ATTENTION, cross_attn_cfg=ATTENTION, ffn_cfg=FFN),
        return_intermediate=True,
    ),
    positional_encoding=dict(num_feats=8, normalize=True),
    bbox_head=dict(
        type='DETRHead',
        num_classes=NUM_CLASSES,
        embed_dims=16,
        # its own default is one dict, which the first model changes
        loss_cls=dict(type='CrossEntropyLoss', class_weight=1.0, bg_cls_weight=0.1),
    ),
    train_cfg=dict(
        assigner=dict(
            type='HungarianAssigner',
            match_costs=[dict(type='ClassificationCost'), dict(type='BBoxL1Cost')],
        )
    ),
    test_cfg=dict(max_per_img=5),
)


def with_roi_layer(**roi_layer):
    extractor = FASTER_RCNN['roi_head']['bbox_roi_extractor']
    roi_head = dict(
        FASTER_RCNN['roi_head'],
        bbox_roi_extractor=dict(extractor, roi_layer=roi_layer),
    )
    return dict(FASTER_RCNN, roi_head=roi_head)


def with_backbone(**backbone):
    backbone = dict(
        BACKBONE,
        depth=50,
        base_channels=8,
        zero_init_residual=False,  # so that the first step reaches the layers
        **backbone,
    )
    neck = dict(NECK, in_channels=[32, 64, 128, 256])
    return dict(RETINANET, backbone=backbone, neck=neck)


DETECTORS = dict(
    retinanet=(RETINANET, ['bbox_head.retina_cls', 'bbox_head.retina_reg']),
    faster_rcnn=(
        FASTER_RCNN,
        [
            'rpn_head.rpn_cls',
            'rpn_head.rpn_reg',
            'roi_head.bbox_head.fc_cls',
            'roi_head.bbox_head.fc_reg',
            # reached through the gradient of RoIAlign only
            'roi_head.bbox_head.shared_fcs.0',
        ],
    ),
    roi_pool=(
        with_roi_layer(type='RoIPool', output_size=7),
        ['roi_head.bbox_head.shared_fcs.0'],
    ),
    deform_roi_pool=(
        with_roi_layer(
            type='DeformRoIPoolPack',
            output_size=7,
            output_channels=8,
            deform_fc_channels=16,
        ),
        ['roi_head.bbox_roi_extractor.roi_layers.0.offset_fc.4'],
    ),
    modulated_deform_roi_pool=(
        with_roi_layer(
            type='ModulatedDeformRoIPoolPack',
            output_size=7,
            output_channels=8,
            deform_fc_channels=16,
        ),
        ['roi_head.bbox_roi_extractor.roi_layers.0.mask_fc.2'],
    ),
    dyhead=(
        DYHEAD,
        [
            'bbox_head.atss_cls',
            'neck.1.dyhead_blocks.0.spatial_conv_low.conv',
            'neck.1.dyhead_blocks.0.spatial_conv_high.conv',
            'neck.1.dyhead_blocks.0.spatial_conv_offset',
        ],
    ),
    carafe=(CARAFE, ['neck.upsample_modules.0.content_encoder']),
    guided_anchoring=(
        GUIDED_ANCHORING,
        [
            'bbox_head.conv_loc',
            'bbox_head.conv_shape',
            'bbox_head.feature_adaption_cls.conv_adaption',
        ],
    ),
    dcn=(
        with_backbone(
            dcn=dict(type='DCN', deform_groups=1, fallback_on_stride=False),
            stage_with_dcn=(False, True, True, True),
        ),
        ['backbone.layer4.0.conv2.conv_offset', 'backbone.layer4.0.conv2'],
    ),
    dcn_v2=(
        with_backbone(
            dcn=dict(type='DCNv2', deform_groups=4, fallback_on_stride=False),
            stage_with_dcn=(False, True, True, True),
        ),
        ['backbone.layer4.0.conv2.conv_offset', 'backbone.layer4.0.conv2'],
    ),
    switchable_atrous=(
        with_backbone(
            type='DetectoRS_ResNet',
            sac=dict(type='SAC', use_deform=True),
            stage_with_sac=(False, True, True, False),
        ),
        ['backbone.layer3.0.conv2.offset_s', 'backbone.layer3.0.conv2.switch'],
    ),
)
